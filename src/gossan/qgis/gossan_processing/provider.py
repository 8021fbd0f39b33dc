"""The provider: a setting for the path of the program, and the algorithms."""

from __future__ import annotations

from gossan_processing.algorithms import Check, Init, Predict, Run
from gossan_processing.program import packed_by
from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsApplication, QgsProcessingProvider

__all__ = ["GossanProvider", "Plugin"]


class GossanProvider(QgsProcessingProvider):
    """What gossan can do, in the toolbox of Processing."""

    def id(self) -> str:
        return "gossan"

    def name(self) -> str:
        return "gossan"

    def load(self) -> bool:
        told = "Path of the program gossan (empty: the one that packed the plugin)"
        ProcessingConfig.addSetting(Setting(self.name(), "GOSSAN_PROGRAM", told, "", placeholder=packed_by()))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        ProcessingConfig.removeSetting("GOSSAN_PROGRAM")

    def loadAlgorithms(self) -> None:
        for algorithm in (Init, Check, Run, Predict):
            self.addAlgorithm(algorithm())

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        return ["tif"]


class Plugin:
    """Puts the provider into QGIS and takes it out again."""

    def __init__(self) -> None:
        self.provider: GossanProvider | None = None

    def initProcessing(self) -> None:
        self.provider = GossanProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        self.initProcessing()

    def unload(self) -> None:
        QgsApplication.processingRegistry().removeProvider(self.provider)
