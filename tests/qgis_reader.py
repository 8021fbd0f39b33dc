"""Opens a project in QGIS, headless, and says what it sees as JSON: run by the Python that QGIS belongs to.

    qgis_reader.py PROJECT PICTURE WIDTH HEIGHT [LAYER ...]

Draws the layers by their names, or those that are switched on, over the project's first view.
"""

import json
import os
import sys

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

path, picture, width, height, *wanted = sys.argv[1:]
app = QgsApplication([], False)
app.initQgis()
project = QgsProject.instance()
said = {"read": project.read(path), "title": project.title(), "crs": project.crs().authid()}
nodes = project.layerTreeRoot().findLayers()
said["layers"] = [
    {
        "name": node.name(),
        "group": node.parent().name(),
        "shown": node.isVisible(),
        "valid": node.layer() is not None and node.layer().isValid(),
        "id": node.layerId(),
        "crs": node.layer().crs().authid(),
    }
    for node in nodes
]
for node, row in zip(nodes, said["layers"], strict=True):
    layer = node.layer()
    if isinstance(layer, QgsVectorLayer):
        row["count"] = layer.featureCount()
        row["renderer"] = layer.renderer().type()
        row["labels"] = layer.labelsEnabled()
        row["legend"] = [item.label() for item in layer.renderer().legendSymbolItems()]
        own = QgsVectorLayer(layer.source(), "own", "ogr")  # opened without the project: the file's default
        row["own_style"] = [item.label() for item in own.renderer().legendSymbolItems()]
        row["own_labels"] = own.labelsEnabled()
    else:
        row["renderer"] = layer.renderer().type()
        row["legend"] = [item[0] for item in layer.renderer().legendSymbologyItems()]

view = project.viewSettings().defaultViewExtent()
settings = QgsMapSettings()
settings.setDestinationCrs(project.crs())
settings.setBackgroundColor(QColor("white"))
settings.setOutputSize(QSize(int(width), int(height)))
settings.setExtent(QgsRectangle(view))
settings.setFlag(QgsMapSettings.Antialiasing, False)
settings.setLayers(
    [node.layer() for node in nodes if (node.name() in wanted if wanted else node.isVisible())]
)
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
said["view"] = [view.xMinimum(), view.yMinimum(), view.xMaximum(), view.yMaximum()]
said["errors"] = [error.message for error in job.errors()]
said["saved"] = job.renderedImage().save(picture)
sys.stdout.write(json.dumps(said))
sys.stdout.flush()
os._exit(0)  # taking QGIS down is not what is tested, and can crash
