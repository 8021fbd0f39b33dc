"""Runs an algorithm of the plugin as QGIS's toolbox does, in a thread, and says as JSON what it loaded.

    qgis_loader.py PLUGINS ALGORITHM PARAMETERS

Run by the Python that QGIS belongs to; PARAMETERS is a JSON object. Each layer is compared with itself opened
as QGIS opens a file by itself, which takes the style beside it or in it.
"""

import json
import os
import sys

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtXml import QDomDocument

plugins, algorithm, parameters = sys.argv[1:]
app = QgsApplication([], True)
app.initQgis()
sys.path[:0] = [os.path.join(QgsApplication.pkgDataPath(), "python", "plugins"), plugins]
from gossan_processing import classFactory  # noqa: E402
from processing.core.Processing import Processing  # noqa: E402
from processing.gui.Postprocessing import handleAlgorithmResults  # noqa: E402

Processing.initialize()
plugin = classFactory(None)
plugin.initProcessing()


def look(layer):
    """Return how a layer is drawn, as text."""
    document = QDomDocument("look")
    if isinstance(layer, QgsVectorLayer):
        return layer.renderer().dump() + str(layer.labelsEnabled())
    element = document.createElement("pipe")
    layer.renderer().writeXml(document, element)
    document.appendChild(element)
    return document.toString()


def opened(layer):
    """Open the file of a layer anew."""
    if isinstance(layer, QgsVectorLayer):
        return QgsVectorLayer(layer.source(), "own", "ogr")
    return QgsRasterLayer(layer.source(), "own", "gdal")


def load(parameters):
    """Run the algorithm and load what it made; return its results."""
    project, context, feedback, results = (
        QgsProject.instance(),
        QgsProcessingContext(),
        QgsProcessingFeedback(),
        {},
    )
    context.setProject(project)
    if "OUTPUT" in parameters:  # as the box "open after running" does
        parameters["OUTPUT"] = QgsProcessingOutputLayerDefinition(parameters["OUTPUT"], project)
    chosen = QgsApplication.processingRegistry().createAlgorithmById(algorithm)
    task = QgsProcessingAlgRunnerTask(chosen, parameters, context, feedback)

    def end(well, found):
        results.update(found if well else {"failed": feedback.textLog()})
        handleAlgorithmResults(chosen, context, feedback)
        app.quit()

    task.executed.connect(end)
    QgsApplication.taskManager().addTask(task)
    app.exec_()
    return results


results = load(json.loads(parameters))
layers = [node.layer() for node in QgsProject.instance().layerTreeRoot().findLayers()]
said = [
    {
        "name": layer.name(),
        "source": layer.source(),
        "valid": layer.isValid(),
        "look": look(layer),
        "own_look": look(opened(layer)),
    }
    for layer in layers
]
sys.stdout.write(json.dumps({"results": results, "layers": said}))
sys.stdout.flush()
os._exit(0)  # taking QGIS down is not what is tested, and can crash
