"""The algorithms: each is a command of gossan, and loads what it wrote in the style that it wrote with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar

from gossan_processing.program import ProgramError, find_program, packed_by, run_program, said
from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputFile,
    QgsProcessingOutputHtml,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterCrs,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingUtils,
)

__all__ = ["Check", "Init", "Predict", "Run"]

#: Maps of a run that are loaded where it has them: output, name, file and layer. The last ones lie on top.
_MAPS = (
    ("APPLICABILITY", "Dissimilarity", "applicability.tif"),
    ("DENSE", "Dense score", "dense.tif"),
    ("SCORE", "Score", "prospectivity.tif"),
    ("AREAS", "Areas", "targets.gpkg|layername=areas"),
    ("DEPOSITS", "Known deposits", "targets.gpkg|layername=deposits"),
    ("EXCLUDED", "Excluded ground", "targets.gpkg|layername=excluded"),
    ("FAULTS", "Faults", "targets.gpkg|layername=faults"),
    ("TENURE", "Tenure", "targets.gpkg|layername=tenure"),
    ("TARGETS", "Targets", "targets.gpkg|layername=targets"),
)


class _OwnStyle(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer the style that lies beside its file or in it; QGIS itself leaves that out."""

    _kept: ClassVar[
        list[_OwnStyle]
    ] = []  # QGIS deletes one with its layer, but does not keep its Python part

    @classmethod
    def of(cls, details: Any) -> None:
        """Set it for a layer that will be loaded."""
        cls._kept.append(cls())
        details.setPostProcessor(cls._kept[-1])

    def postProcessLayer(self, layer: Any, context: Any, feedback: Any) -> None:
        layer.loadDefaultStyle()
        layer.triggerRepaint()


class _Command(QgsProcessingAlgorithm):
    """A command of gossan: what its docstring says is the help that QGIS shows."""

    def createInstance(self) -> _Command:
        return type(self)()

    def name(self) -> str:
        return type(self).__name__.lower()

    def shortHelpString(self) -> str:
        return " ".join((type(self).__doc__ or "").split())

    def gossan(self, arguments: Sequence[str], feedback: Any, page: str = "") -> list[str]:
        """Run the program with arguments, which may write a page, and return its lines."""
        try:
            setting = ProcessingConfig.getSetting("GOSSAN_PROGRAM") or packed_by()
            program = find_program(setting, os.environ)
            return list(run_program([program, *arguments], feedback, os.environ, page))
        except ProgramError as error:
            raise QgsProcessingException(str(error)) from error

    def file(self, parameters: Any, name: str, context: Any) -> str:
        """Return the path that a parameter gives, from the root; empty where it gives none."""
        given = str(self.parameterAsString(parameters, name, context) or "")
        return os.path.abspath(given) if given else ""


def _load(context: Any, source: str, name: str, output: str) -> None:
    """Have QGIS load a layer when the algorithm is done; there is nowhere to load it to without a project."""
    if context.project() is not None:
        hint = QgsProcessingUtils.LayerHint
        kind = (
            hint.Raster if source.endswith(".tif") else hint.Vector
        )  # else it warns that one is not the other
        details = QgsProcessingContext.LayerDetails(name, context.project(), output, kind)
        details.forceName = True
        _OwnStyle.of(details)
        context.addLayerToLoadOnCompletion(source, details)


def _is_there(source: str) -> bool:
    """Tell whether a file is there, and the layer of it where one is named."""
    file, _, table = source.partition("|layername=")
    if not table or not os.path.isfile(file):
        return os.path.isfile(file)
    with contextlib.closing(sqlite3.connect(file)) as tables:
        query = "SELECT count(*) FROM gpkg_contents WHERE table_name = ?"
        return bool(tables.execute(query, (table,)).fetchone()[0])


def _project(name: str = "PROJECT", told: str = "Project file") -> QgsProcessingParameterFile:
    return QgsProcessingParameterFile(name, told, extension="toml")


class Init(_Command):
    """Write a project file by looking at the survey's files; every guess is marked as one in it.

    It is a text file: open it in an editor and look at the guesses before anything is run. The CRS must be
    projected, in metres; it is guessed where it is not given.
    """

    _FILES = (
        ("SAMPLES", "Analyses"),
        ("DEPOSITS", "Known deposits"),
        ("GEOLOGY", "Geology"),
        ("FAULTS", "Faults"),
        ("AREA", "Study area"),
    )

    def displayName(self) -> str:
        return "Write a project file"

    def initAlgorithm(self, configuration: Any = None) -> None:
        for name, told in self._FILES:
            optional = name not in ("SAMPLES", "DEPOSITS")
            self.addParameter(QgsProcessingParameterFile(name, told, optional=optional))
        self.addParameter(QgsProcessingParameterCrs("CRS", "CRS of the project", optional=True))
        kind = "Project files (*.toml)"
        self.addParameter(QgsProcessingParameterFileDestination("OUTPUT", "Project file to write", kind))

    def processAlgorithm(self, parameters: Any, context: Any, feedback: Any) -> dict[str, str]:
        out = self.file(parameters, "OUTPUT", context)
        arguments = ["init", "--out", out]
        for name, _ in self._FILES:
            if path := self.file(parameters, name, context):
                arguments += [f"--{name.lower()}", path]
        crs = self.parameterAsCrs(parameters, "CRS", context)
        if crs.isValid():
            arguments += ["--crs", crs.authid() or crs.toWkt()]
        self.gossan(arguments, feedback)
        return {"OUTPUT": out}


class Check(_Command):
    """Read the files of a project and say what a run would make of them, on a page, without running it.

    Where a run would be refused, the page is written all the same, and the log says what to change.
    """

    def displayName(self) -> str:
        return "Check the data of a project"

    def initAlgorithm(self, configuration: Any = None) -> None:
        self.addParameter(_project())
        self.addParameter(QgsProcessingParameterFileDestination("OUTPUT", "Page", "HTML files (*.html)"))

    def processAlgorithm(self, parameters: Any, context: Any, feedback: Any) -> dict[str, str]:
        out = self.file(parameters, "OUTPUT", context)
        self.gossan(["check", self.file(parameters, "PROJECT", context), "--out", out], feedback, out)
        return {"OUTPUT": out}


class Run(_Command):
    """Make the ranked target map of a project, with its evaluation and report, and load the maps.

    The folder of the run is runs/NAME beside the project file where none is given. A run that is cancelled
    goes on from there when it is started again with the same folder. All processors are used unless
    a number of processes is given; it does not change the result.
    """

    def displayName(self) -> str:
        return "Run a project"

    def initAlgorithm(self, configuration: Any = None) -> None:
        self.addParameter(_project())
        folder = QgsProcessingParameterFolderDestination(
            "FOLDER", "Folder of the run", optional=True, createByDefault=False
        )
        self.addParameter(folder)
        whole = QgsProcessingParameterNumber.Integer
        self.addParameter(QgsProcessingParameterNumber("JOBS", "Processes", whole, optional=True, minValue=1))
        self.addOutput(QgsProcessingOutputHtml("REPORT", "Report"))
        self.addOutput(QgsProcessingOutputFile("QGIS_PROJECT", "Project of QGIS with every map of the run"))
        for output, told, file in _MAPS:
            kind = QgsProcessingOutputRasterLayer if file.endswith(".tif") else QgsProcessingOutputVectorLayer
            self.addOutput(kind(output, told))

    def processAlgorithm(self, parameters: Any, context: Any, feedback: Any) -> dict[str, str]:
        arguments = ["run", self.file(parameters, "PROJECT", context)]
        if folder := self.file(parameters, "FOLDER", context):
            arguments += ["--out", folder]
        if parameters.get("JOBS") is not None:
            arguments += ["--jobs", str(self.parameterAsInt(parameters, "JOBS", context))]
        report = said(self.gossan(arguments, feedback), "report")
        if feedback.isCanceled():
            return {}
        folder = os.path.dirname(os.path.abspath(report))
        results = {"FOLDER": folder, "REPORT": os.path.join(folder, "report.html")}
        results["QGIS_PROJECT"] = os.path.join(folder, "gossan.qgz")
        for output, told, file in _MAPS:
            source = os.path.join(folder, file)
            if _is_there(source):
                _load(context, source, told, output)
                results[output] = source
        return results


class Predict(_Command):
    """Score another survey with the model of a run, and load the map.

    Beside the map lies another, with -applicability in its name: where the model was trained on
    nothing like it.
    """

    def displayName(self) -> str:
        return "Score another survey with a model"

    def initAlgorithm(self, configuration: Any = None) -> None:
        folder = QgsProcessingParameterFile.Folder
        self.addParameter(QgsProcessingParameterFile("RUN", "Folder of the run that has the model", folder))
        self.addParameter(_project(told="Project file of the survey to score"))
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", "Map to write"))
        self.addOutput(QgsProcessingOutputRasterLayer("APPLICABILITY", "Dissimilarity"))

    def processAlgorithm(self, parameters: Any, context: Any, feedback: Any) -> dict[str, str]:
        asked = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        out = os.path.abspath(asked)
        places = {name: self.file(parameters, name, context) for name in ("RUN", "PROJECT")}
        arguments = ["predict", "--model", places["RUN"], "--on", places["PROJECT"], "--out", out]
        self.gossan(arguments, feedback)
        if feedback.isCanceled():
            return {}
        unlike = f"{os.path.splitext(out)[0]}-applicability.tif"
        if context.willLoadLayerOnCompletion(asked):
            _OwnStyle.of(context.layerToLoadOnCompletionDetails(asked))
            _load(context, unlike, "Dissimilarity", "APPLICABILITY")
        return {"OUTPUT": out, "APPLICABILITY": unlike}
