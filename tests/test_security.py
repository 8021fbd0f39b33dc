"""A run fed with hostile names: nothing leaves its folder or the machine, and no name becomes code."""

import html
import json
import os
import re
import socket
import subprocess
import sys
import threading
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

import corpus_files
from corpus_files import CRS, SIDE, SOUTH, WEST
from gossan import io
from gossan.errors import DataError, UsageError
from gossan.report import parts
from gossan.survey import SampleSource

SCRIPT = '"><script>alert(1)</script>'
FORMULA = '=HYPERLINK("http://127.0.0.1/","x")'
CLIMB = "../../../climbed"

#: Loaded by every Python of the run: notes each use of a socket of the internet, and forbids it.
GUARD = """
import os, socket, sys

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto"):
        family = getattr(args[0], "family", socket.AF_INET)
        if family in (socket.AF_INET, socket.AF_INET6):
            with open(os.environ["GUARD_LOG"], "a") as file:
                file.write(f"{event} {args[1:]}\\n")
            raise PermissionError("no network")

sys.addaudithook(watch)
"""


def hostile_survey(folder):
    """Write a survey whose columns, units, names and texts try to become code."""
    corpus_files.write_good(folder)
    table = corpus_files.good_samples()
    table[SCRIPT] = FORMULA
    table["medium"] = np.where(np.arange(len(table)) % 2, SCRIPT, FORMULA)
    table.to_csv(folder / "samples.csv", index=False)
    ore = pd.read_csv(folder / "deposits.csv")
    names = (SCRIPT, FORMULA, CLIMB, "'; DROP TABLE targets; --")
    ore["name"] = [names[n % 4] + str(n) for n in range(len(ore))]
    ore.to_csv(folder / "deposits.csv", index=False)
    halves = [
        shapely.box(WEST, SOUTH, WEST + SIDE / 2, SOUTH + SIDE),
        shapely.box(WEST + SIDE / 2, SOUTH, WEST + SIDE, SOUTH + SIDE),
    ]
    pyogrio.write_dataframe(corpus_files.frame(*halves, unit=[SCRIPT, FORMULA]), folder / "geology.gpkg")
    with rasterio.open(
        folder / "r.tif", "w", height=40, width=40, count=1, dtype="float32", crs=CRS,
        transform=from_origin(WEST, SOUTH + SIDE, 1000, 1000),
    ) as file:  # fmt: skip
        file.write(np.arange(1600, dtype=np.float32).reshape(40, 40), 1)
        file.units = (SCRIPT,)
    project = corpus_files.PROJECT.replace(
        "[project]", f"[project]\nname = {json.dumps(FORMULA[:1] + '<b>')}"
    )
    project += '[geology]\npath = "geology.gpkg"\n[[rasters]]\npath = "r.tif"\n'
    project += f"name = {json.dumps(CLIMB + SCRIPT)}\n"
    project += '[model]\nname = "logistic-regression"\n[screen]\nenabled = false\n'
    (folder / "project.toml").write_text(project)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Run the hostile survey with the network watched; the folders, what was heard, and the process."""
    root = tmp_path_factory.mktemp("guarded")
    for name in ("survey", "home", "work", "temporary", "guard"):
        (root / name).mkdir()
    hostile_survey(root / "survey")
    (root / "guard" / "sitecustomize.py").write_text(GUARD)
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard, port = [], server.getsockname()[1]
        threading.Thread(target=_listen, args=(server, heard), daemon=True).start()
        env = _environment(root, port)
        before = _tree(root)
        command = [sys.executable, "-m", "gossan", "run", str(root / "survey/project.toml"), "--jobs", "1"]
        done = subprocess.run(
            [*command, "--out", str(root / "out")],
            env=env,
            cwd=root / "work",
            capture_output=True,
            text=True,
            check=False,
        )
        after = _tree(root)
        return root, done, before, after, heard, env


def _listen(server, heard):
    while True:
        try:
            connection, address = server.accept()
        except OSError:
            return
        heard.append(address)
        connection.close()


def _environment(root, port):
    proxy = f"http://127.0.0.1:{port}"
    source = str(Path(io.__file__).parents[2])
    return os.environ | {
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), proxy),
        "GDAL_HTTP_PROXY": f"127.0.0.1:{port}",
        "GUARD_LOG": str(root / "guard" / "log.txt"),
        "PYTHONPATH": os.pathsep.join([str(root / "guard"), source]),
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "temporary"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLCONFIGDIR": str(root / "home" / "mpl"),
    }


def _tree(root):
    outside = (path for path in root.rglob("*") if root / "out" not in (path, *path.parents))
    return {path: path.read_bytes() if path.is_file() else None for path in outside}


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.slow
def test_the_guard_hears_a_connection(guarded):
    *_, env = guarded
    code = "import socket; socket.create_connection(('127.0.0.1', 9))"
    log = Path(env["GUARD_LOG"]).with_name("self-test.txt")
    done = subprocess.run(
        [sys.executable, "-c", code], env=env | {"GUARD_LOG": str(log)}, capture_output=True, check=False
    )
    assert done.returncode != 0
    assert "socket" in log.read_text()


@pytest.mark.slow
def test_a_run_opens_no_connection(guarded):
    root, done, _, _, heard, _ = guarded
    assert done.returncode == 0, done.stderr
    assert not (root / "guard" / "log.txt").exists()
    assert heard == []


@pytest.mark.slow
def test_a_run_writes_into_its_folder_and_nowhere_else(guarded):
    root, _, before, after, _, _ = guarded
    grown = {path for path in after if path not in before and root / "home" / "mpl" not in path.parents}
    assert {path.name for path in grown} <= {"mpl"}  # where fonts are listed once
    assert {path: content for path, content in after.items() if path in before} == before
    assert not list(root.parent.glob("climbed*"))
    assert not list(root.glob("climbed*"))


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.handlers = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]


@pytest.mark.slow
def test_names_are_text_on_the_page_and_in_the_drawings(guarded):
    page = (guarded[0] / "out" / "report.html").read_text()
    parsed = _Page(page)
    own = [parts.leaflet_script(), parts.map_script()]
    assert re.findall(r"<script>(.*?)</script>", page, flags=re.S) == own
    assert page.count("<script") == 2 + len(
        re.findall(r'<script type="(?:application/json|text/plain)" id=', page)
    )
    assert parts.policy(*own) in html.unescape(page)
    assert parsed.handlers == []
    assert "<script>alert" not in page
    for drawing in (guarded[0] / "out").rglob("*.svg"):
        assert "<script" not in drawing.read_text()


@pytest.mark.slow
def test_no_cell_of_a_written_table_is_a_formula(guarded):
    tables = list((guarded[0] / "out").rglob("*.csv"))
    assert tables
    for path in tables:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for text in [*table.columns, *table.to_numpy().ravel()]:
            assert not re.match(r"\s*[=@]|\s*[+-](?![\d.]|inf)", text), (path.name, text)


@pytest.mark.slow
def test_layers_are_read_back_with_their_names_and_no_more(guarded):
    layers = io.read_layers(guarded[0] / "out" / "targets.gpkg")
    assert set(layers) >= {"areas", "targets", "deposits"}
    names = "".join(layers["deposits"].get("name", pd.Series(dtype=str)).astype(str))
    assert "DROP TABLE" in names or "name" not in layers["deposits"]


# ---- without a run


@pytest.mark.parametrize(
    "text",
    ["=1+1", "\uff1d1+1", "\u200b=1+1", "\ufeff@x", "\uff0bx", "\u2212x", "\n=x", "\x00=x", "|cmd", "%x"],
)
def test_text_that_any_spreadsheet_takes_for_a_formula_gets_an_apostrophe(tmp_path, text):
    io.write_csv(tmp_path / "a.csv", pd.DataFrame({"a": [text, "b"]}))
    assert "\"'" in (tmp_path / "a.csv").read_text() or "\n'" in (tmp_path / "a.csv").read_text()


def test_a_workbook_is_refused_by_the_sizes_it_states(tmp_path):
    path = tmp_path / "bomb.xlsx"
    corpus_files.BUILDERS["bomb.xlsx"](path)
    assert path.stat().st_size < 1e6
    with pytest.raises(DataError, match="unpacks to 63 MB"):
        io.read_samples(path, SampleSource("bomb.xlsx"), CRS)


def test_a_workbook_that_states_a_small_size_is_not_unpacked_beyond_it(tmp_path):
    good = tmp_path / "good.xlsx"
    corpus_files.good_samples(4).to_excel(good, index=False)
    path = tmp_path / "liar.xlsx"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            content = source.read(name)
            archive.writestr(name, b" " * (64 << 20) if name.endswith("sheet1.xml") else content)
    content = path.read_bytes()
    size = (64 << 20).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(DataError, match="is no workbook"):
        io.read_samples(path, SampleSource("liar.xlsx"), CRS)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../x", "a\\b", "/etc/x"])
def test_a_project_cannot_name_its_run_out_of_the_folder(tmp_path, name):
    from gossan.config import load_project

    path = tmp_path / "p.toml"
    path.write_text(corpus_files.PROJECT.replace("[project]", f"[project]\nname = {json.dumps(name)}"))
    with pytest.raises(UsageError, match=r"project\.name"):
        load_project(path)
