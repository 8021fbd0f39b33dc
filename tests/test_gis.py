import json
import os
import shutil
import sqlite3
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from gossan import io
from gossan.io.styles import style_text
from gossan.pipeline.gis import write_gis
from gossan.plots.maps import CLASSES, limits, score_classes, score_tones
from gossan.plots.style import unit_colours
from gossan.report import read_report
from gossan.report.pictures import read_maps
from run_folder import make_report, make_run, write_run

#: Names as maps have them, and as they should not be.
NAMES = [
    '<b>Granit & "Gneis"</b>',
    "O'Brien'); DROP TABLE layer_styles;--",
    "三叠系砂岩",
    "صخور رسوبية",
    "]]><script>alert(1)</script>",
]
TITLE = 'Jinshan <i>"twin"</i> & 金山 جبل'


def write_styles(folder):
    report = read_report(folder)
    write_gis(folder, report, read_maps(folder, report))


def make(folder, **options):
    made = make_run(128, names=NAMES)
    write_run(folder, made, make_report(made, title=TITLE))
    bands = {"Cu, Au": made.score, "<Sn>": made.spread}
    io.write_bands(folder / "gradients.tif", made.grid, bands)
    write_styles(folder)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("gis")
    make(place)
    return place


@pytest.fixture(scope="module")
def project(folder):
    with zipfile.ZipFile(folder / "gossan.qgz") as file:
        assert file.namelist() == ["gossan.qgs"]
        return ElementTree.fromstring(file.read("gossan.qgs"))


def colour(text):
    return np.array(to_rgb(text))


def test_every_raster_has_a_style_beside_it(folder):
    rasters = {path.stem for path in folder.glob("*.tif")}
    assert rasters == {"stack", "prospectivity", "applicability", "gradients"}
    assert {path.stem for path in folder.glob("*.qml")} == rasters
    for path in folder.glob("*.qml"):
        assert ElementTree.fromstring(path.read_bytes()).find("pipe/rasterrenderer").get("band") == "1"


def test_every_source_is_a_file_beside_the_project(folder, project):
    sources = [element.text for element in project.findall("projectlayers/maplayer/datasource")]
    for source in sources:
        assert source.startswith("./")
        name, _, table = source.removeprefix("./").partition("|layername=")
        assert (folder / name).is_file()
        assert not table or table in io.read_layers(folder / name)
    with rasterio.open(folder / "stack.tif") as stack:
        assert sum(source == "./stack.tif" for source in sources) == stack.count
    assert project.find("properties/Paths/Absolute").text == "false"
    assert str(folder) not in ElementTree.tostring(project, encoding="unicode")


def test_layers_in_the_tree_are_those_of_the_project_and_ids_are_unique(project):
    listed = [element.get("id") for element in project.iter("layer-tree-layer")]
    assert listed == [element.text for element in project.findall("projectlayers/maplayer/id")]
    assert len(set(listed)) == len(listed)
    groups = [element.get("name") for element in project.findall("layer-tree-group/layer-tree-group")]
    assert groups == ["Places", "Result", "Can it be trusted", "Why", "Channels"]


def test_the_same_run_gives_the_same_bytes(folder, tmp_path):
    make(tmp_path / "again")
    for path in [*folder.glob("*.qml"), folder / "gossan.qgz", folder / "targets.gpkg"]:
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    before = (folder / "targets.gpkg").read_bytes()
    write_styles(folder)  # once more over what is there: one style a layer all the same
    with sqlite3.connect(folder / "targets.gpkg") as file:
        assert file.execute("SELECT count(*), count(DISTINCT f_table_name) FROM layer_styles").fetchone() == (
            6,
            6,
        )
    (folder / "targets.gpkg").write_bytes(before)


def test_names_are_text_in_the_project_and_in_the_geopackage(folder, project):
    assert project.find("title").text == TITLE
    layers = {element.find("layername").text: element for element in project.iter("maplayer")}
    labels = {each.get("label") for each in layers["Geology"].iter("category")}
    assert labels == {each.get("value") for each in layers["Geology"].iter("category")} == set(NAMES)
    assert {each.get("label") for each in layers["Rock units, by pixel"].iter("paletteEntry")} == set(NAMES)
    assert "Gradients: <Sn>" in layers
    with sqlite3.connect(folder / "targets.gpkg") as file:
        styles = dict(file.execute("SELECT f_table_name, styleQML FROM layer_styles"))
    assert set(styles) == {"areas", "targets", "deposits", "faults", "samples", "geology"}
    parsed = ElementTree.fromstring(styles["geology"])
    assert {each.get("value") for each in parsed.iter("category")} == set(NAMES)


def test_what_xml_forbids_is_left_out():
    text = style_text(io.RasterStyle("classes", [io.Stop(0, "#000000", "a\x00b\x1b\ud800c\ufffe")]))
    assert ElementTree.fromstring(text).find(".//paletteEntry").get("label") == "abc"


def test_the_table_of_styles_is_no_layer_of_the_map(folder):
    layers = io.read_layers(folder / "targets.gpkg")
    assert set(layers) == {"areas", "targets", "deposits", "faults", "geology", "samples"}


def test_the_geopackage_stays_sound(folder):
    with sqlite3.connect(folder / "targets.gpkg") as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        listed = file.execute("SELECT data_type FROM gpkg_contents WHERE table_name = 'layer_styles'")
        assert listed.fetchone() == ("attributes",)


def test_steps_are_the_classes_of_the_figure(folder):
    with rasterio.open(folder / "prospectivity.tif") as file:
        score = file.read(1)
    items = ElementTree.parse(folder / "prospectivity.qml").findall(".//colorrampshader/item")
    edges = np.array([float(item.get("value")) for item in items])
    known = np.isfinite(score)
    step = np.searchsorted(edges, score[known], side="left")  # the first that is at least as high
    tones = [items[number].get("color") for number in step]
    assert tones == [score_tones()[number] for number in score_classes(score)[known]]
    assert len(set(tones)) > 2
    assert [item.get("label") for item in items][-1] == f"very high (best {100 * CLASSES[0][1]:.0f} %)"


def test_stops_of_a_scale_are_those_of_the_figure(folder):
    with rasterio.open(folder / "stack.tif") as file:
        low, high = limits(file.read(1))
    items = ElementTree.parse(folder / "stack.qml").findall(".//colorrampshader/item")
    values = np.array([float(item.get("value")) for item in items])
    np.testing.assert_allclose(values, np.linspace(low, high, len(items)))
    fine = np.linspace(0, 1, 1001)
    tones = np.array([colour(item.get("color")) for item in items])
    mixed = np.column_stack([np.interp(fine, np.linspace(0, 1, len(items)), tone) for tone in tones.T])
    assert np.abs(mixed - colormaps["viridis"](fine)[:, :3]).max() < 3 / 255


def test_a_run_without_scores_or_extras_has_a_project_too(tmp_path):
    made = make_run()
    made.score[:], made.spread[:] = np.nan, np.nan
    write_run(tmp_path, made, make_report(made))
    (tmp_path / "applicability.tif").unlink()
    write_styles(tmp_path)
    assert {path.stem for path in tmp_path.glob("*.qml")} == {"stack", "prospectivity"}


# ---- QGIS itself


def qgis_python():
    """Return the Python that has QGIS, if any."""
    python = shutil.which("python3", path="/usr/bin")
    ask = [python, "-c", "import qgis.core"]
    return python if python and not subprocess.run(ask, capture_output=True, check=False).returncode else None


def look(folder, picture, *layers, size=640):
    """Open the project in QGIS and draw layers: what it says, and the picture (row, col, colour)."""
    python = qgis_python()
    if python is None:
        pytest.skip("no QGIS")
    reader = Path(__file__).with_name("qgis_reader.py")
    command = [python, str(reader), str(folder / "gossan.qgz"), str(picture), str(size), str(size), *layers]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    place = {
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(picture.parent),
        "XDG_RUNTIME_DIR": str(picture.parent),
    }
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=plain | place)
    return json.loads(found.stdout), imread(picture)[..., :3]


def at_centres(picture, shape):
    """Read the picture at the centres of the pixels of the map (row, col)."""
    rows, cols = (((np.arange(n) + 0.5) * picture.shape[0] / n).astype(int) for n in shape)
    return picture[np.ix_(rows, cols)]


@pytest.mark.qgis
def test_qgis_opens_every_layer_and_names_it_as_we_do(folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    said, picture = look(moved, tmp_path / "all.png")
    assert (said["read"], said["title"], said["errors"]) == (True, TITLE, [])
    assert said["crs"] == "EPSG:32648"
    with rasterio.open(folder / "stack.tif") as stack:
        assert said["view"] == list(stack.bounds)
        assert len(said["layers"]) == 6 + 3 + 4 + 2 + stack.count
    assert all(layer["valid"] and layer["crs"] == "EPSG:32648" for layer in said["layers"])
    layers = {layer["name"]: layer for layer in said["layers"]}
    assert set(layers["Geology"]["legend"]) == set(NAMES) == set(layers["Geology"]["own_style"])
    assert set(layers["Rock units, by pixel"]["legend"]) == set(NAMES)
    assert layers["Targets"]["labels"]
    assert layers["Targets"]["own_labels"]
    assert layers["Geology"]["renderer"] == "categorizedSymbol"
    shown = {name for name, layer in layers.items() if layer["shown"]}
    assert shown == {"Targets", "Known deposits", "Areas", "Faults", "Score"}
    red = np.abs(picture - colour("#b2182b")).max(axis=-1) < 2 / 255
    assert red.sum() > 200  # outlines and numbers of targets


@pytest.mark.qgis
def test_qgis_draws_the_score_in_the_colours_of_the_figure(folder, tmp_path):
    with rasterio.open(folder / "prospectivity.tif") as file:
        score = file.read(1)
    _, picture = look(folder, tmp_path / "score.png", "Score")
    tones = np.array([colour(tone) for tone in [*score_tones(), "#ffffff"]])  # the last one: not scored
    expected = tones[score_classes(score)]
    assert np.abs(at_centres(picture, score.shape) - expected).max() < 1.5 / 255
    assert len(np.unique(expected.reshape(-1, 3), axis=0)) > 3


@pytest.mark.qgis
def test_qgis_draws_channels_and_rock_units_in_the_colours_of_the_figures(folder, tmp_path):
    with rasterio.open(folder / "stack.tif") as file:
        channel, classes = file.read(2), file.read(file.count).astype(int)
        name = f"{file.descriptions[1]} ({file.units[1]})"
    _, picture = look(folder, tmp_path / "channel.png", name)
    low, high = limits(channel)
    expected = colormaps["viridis"](np.clip((channel - low) / (high - low), 0, 1))[..., :3]
    assert np.abs(at_centres(picture, channel.shape) - expected).max() < 4 / 255
    counts = np.bincount(classes.ravel())
    area = io.read_layers(folder / "targets.gpkg")["geology"].dissolve("unit").area
    tones = unit_colours(list(area.sort_values(ascending=False).index))
    _, picture = look(folder, tmp_path / "units.png", "Rock units, by pixel")
    expected = np.array([colour(tones[name]) for name in NAMES[: len(counts)]])[classes]
    assert np.abs(at_centres(picture, classes.shape) - expected).max() < 1.5 / 255
