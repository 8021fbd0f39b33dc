"""The long ones: readers fed with made and changed inputs. `make soak` runs them with test_soak.py."""

import time
import warnings
import zipfile

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import corpus_files
from dirty import LAYER_CRS, LONGEST, SHAPES, hold_of_a_layer, hold_of_a_table, tables
from fuzz import fuzz
from gossan import io
from gossan.config import load_project
from gossan.errors import GossanError
from gossan.io.cells import read_cells
from gossan.io.degrees import read_degrees
from gossan.io.elements import parse_column
from gossan.io.where import rows_where
from gossan.survey import GeologySource, RasterSource, SampleSource
from soak import SHARE, note

pytestmark = pytest.mark.soak

CASES, VECTORS, PARTS = 10_000, 2_000, 4  # parts, so that two workers share the work
FUZZ_SECONDS = 60
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def _hold(what, part, cases, hold, *drawn):
    """Draw cases, the same for a part each time, and write down how they ended."""
    found, started = {"cases": 0, "read": 0, "slowest_s": 0.0}, time.monotonic()

    @seed(part)
    @settings(
        max_examples=max(1, round(cases / PARTS * SHARE)),
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=SLOW,
    )
    @given(st.tuples(*drawn))
    def each(case):
        before = time.process_time()
        found["read"] += hold(*case) > 0
        found["cases"] += 1
        found["slowest_s"] = max(found["slowest_s"], round(time.process_time() - before, 2))

    each()
    note(f"{what}, part {part}", **found, seconds=round(time.monotonic() - started))
    assert found["read"]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore")
def test_a_dirty_table_is_read_or_refused_in_one_line(tmp_path, part):
    censored, transform = st.sampled_from(["half", "drop"]), st.sampled_from(["log10", "none"])
    path = tmp_path / "dirty.csv"
    _hold("dirty tables", part, CASES, lambda *it: hold_of_a_table(path, *it), tables(), censored, transform)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore")
def test_a_dirty_layer_is_read_or_refused_in_one_line(tmp_path, part):
    def hold(shapes, crs, ending):
        return hold_of_a_layer(tmp_path / f"dirty.{ending}", shapes, crs)

    shapes, crs = st.lists(SHAPES, max_size=5), st.sampled_from(LAYER_CRS)
    # not KML or MapInfo: GDAL did not come to an end of writing one of these layers; their parsers are fuzzed
    endings = st.sampled_from(["gpkg", "geojson", "fgb"])
    _hold("dirty layers", part, VECTORS, hold, shapes, crs, endings)


# ---- changed inputs


def _texts(*endings):
    return [path.read_bytes() for path in sorted(corpus_files.FOLDER.iterdir()) if path.suffix in endings]


def _built(folder, *endings):
    made = []
    for name, build in corpus_files.BUILDERS.items():
        if name.endswith(endings) and name not in ("absurd.tif", "bomb.xlsx", "lying_bomb.xlsx"):
            build(folder / name)
            made.append((folder / name).read_bytes())
    return [content for content in made if len(content) < 300_000]


def _reader(folder, name, *reads):
    path = folder / name

    def parse(content):
        for beside in folder.glob(f"{path.stem}.*"):
            beside.unlink()
        path.write_bytes(content)
        for read in reads:
            read(path)
        assert path.read_bytes() == content

    return parse


def _sheet_text(folder):
    """Write a workbook as a frame for sheets, and return the one that it holds."""
    path = folder / "frame.xlsx"
    corpus_files.good_samples(4).to_excel(path, index=False)
    with zipfile.ZipFile(path) as archive:
        return archive.read("xl/worksheets/sheet1.xml")


def _sheet(folder):
    """Put a changed sheet into a workbook that is whole otherwise; changed archives rarely open."""
    path = folder / "f.xlsx"

    def parse(content):
        with zipfile.ZipFile(folder / "frame.xlsx") as frame, zipfile.ZipFile(path, "w") as archive:
            for name in frame.namelist():
                archive.writestr(name, content if name.endswith("sheet1.xml") else frame.read(name))
        _samples(path)

    return parse


def _parted(folder, name, build, *endings):
    """Put changed bytes into one part of a file of several, the first byte telling which."""
    build(folder / f"whole{name}")
    whole = {one: (folder / "whole").with_suffix(one).read_bytes() for one in endings}

    def parse(content):
        changed = endings[content[0] % len(endings)] if content else name
        for one in endings:
            (folder / f"f{one}").write_bytes(content[1:] if one == changed else whole[one])
        _geology(folder / f"f{name}")

    return parse, [bytes([n]) + whole[one] for n, one in enumerate(endings)]


def _shapefile(folder):
    return _parted(folder, ".shp", corpus_files.BUILDERS["whole.shp"], ".shp", ".shx", ".dbf", ".prj", ".cpg")


def _mapinfo_table(folder):
    return _parted(folder, ".tab", corpus_files.of_mapinfo(), ".tab", ".dat", ".map", ".id")


def _mapinfo_exchange(folder):
    return _parted(folder, ".mif", corpus_files.of_mapinfo(), ".mif", ".mid")


def _kml(folder):
    corpus_files.kml_of(folder / "whole.kml")
    return _reader(folder, "f.kml", _geology), [(folder / "whole.kml").read_bytes(), *_texts(".kml")]


def _drawing(folder):
    def read(path):
        io.read_geology(path, GeologySource(path.name, crs="EPSG:26910"), "EPSG:26910")

    objects = [*corpus_files.DXF.values(), *corpus_files.CURVES]
    drawings = [corpus_files.dxf(one.format(2, 2)).encode() for one in ("".join(objects), *objects)]
    return _reader(folder, "f.dxf", read), drawings


def _geodatabase(folder):
    """Put changed bytes into one table of a geodatabase, the first byte telling which."""
    corpus_files.geodatabase("a")(folder / "f.gdb")
    tables = sorted(path for path in (folder / "f.gdb").iterdir() if path.suffix.startswith(".gdbtabl"))
    whole = {path: path.read_bytes() for path in tables}

    def parse(content):
        changed = tables[content[0] % len(tables)] if content else tables[0]
        for path in tables:
            path.write_bytes(content[1:] if path == changed else whole[path])
        _geology(folder / "f.gdb")

    return parse, [bytes([n]) + whole[path] for n, path in enumerate(tables)]


def _samples(path):
    return io.read_samples(path, SampleSource(path.name), "EPSG:26910")


def _geology(path):
    return io.read_geology(path, GeologySource(path.name, attribute="unit"), "EPSG:26910")


def _raster(path):
    return io.read_raster(path, RasterSource(path.name), "EPSG:26910")


def _words(content):
    return content.decode("utf-8", errors="replace")


def _condition(_):
    table = pd.DataFrame({"type": ["VMS", "SEDEX"], "is_Cu": ["1", "0"]})
    conditions = [b"type = 'VMS' and is_Cu > 0", b"`type` in (VMS, 'SEDEX')", b"is_Cu != 1"]
    return lambda content: rows_where(_words(content), table), conditions


def _cells(_):
    def parse(content):
        read_cells(pd.Series(_words(content).split("\n"), dtype=object))

    return parse, [b"1,5\n<0.5\nbdl\n-9999\n>9\n", b"1.5\n2\n\n5L\n"]


def _text(folder):
    good = corpus_files.good_samples(12).to_csv(index=False).encode()
    return _reader(folder, "f.csv", _samples), [good, *_texts(".csv")]


def _project(folder):
    good = corpus_files.PROJECT.encode()
    return _reader(folder, "f.toml", load_project), [good, *_texts(".toml")]


PARSERS = {
    "text": _text,
    "workbook": lambda folder: (_reader(folder, "f.xlsx", _samples), _built(folder, ".xlsx")),
    "sheet": lambda folder: (_sheet(folder), [_sheet_text(folder)]),
    "geopackage": lambda folder: (_reader(folder, "f.gpkg", _geology), _built(folder, ".gpkg")),
    "geojson": lambda folder: (_reader(folder, "f.geojson", _geology), _texts(".geojson")),
    "flatgeobuf": lambda folder: (_reader(folder, "f.fgb", _geology), _built(folder, ".fgb")),
    "shapefile": _shapefile,
    "kml": _kml,
    "mapinfo table": _mapinfo_table,
    "mapinfo exchange": _mapinfo_exchange,
    "drawing": _drawing,
    "geodatabase": _geodatabase,
    "geotiff": lambda folder: (_reader(folder, "f.tif", _raster), _built(folder, ".tif")),
    "ascii grid": lambda folder: (_reader(folder, "f.asc", _raster), _texts(".asc")),
    "virtual raster": lambda folder: (_reader(folder, "f.vrt", _raster), _texts(".vrt")),
    "project": _project,
    "condition": _condition,
    "cells": _cells,
    "names": lambda _: (
        lambda content: parse_column(_words(content)),
        [b"Cu_ppm", b"Fe2O3T (wt.%)", b"Au-FA50 ppb"],
    ),
    "degrees": lambda _: (
        lambda content: read_degrees(_words(content).lower(), "x"),
        ["122°30'15.5\"W".encode(), b"-122 30 15", b"e 122:30:15"],
    ),
}


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.filterwarnings("ignore")
def test_a_parser_fed_with_changed_inputs_ends_in_one_line(tmp_path, name):
    parse, seeds = PARSERS[name](tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fuzz(parse, seeds, seconds=FUZZ_SECONDS * SHARE, allowed=(GossanError,))
    note(
        f"fuzz {name}",
        seconds=round(FUZZ_SECONDS * SHARE, 1),
        inputs=found.runs,
        lines=len(found.lines),
        kept=len(found.pool) - len(seeds),
        slowest_s=round(found.slowest, 2),
    )
    assert found.failures == []
    assert found.slowest < LONGEST
    assert found.runs > len(seeds)
