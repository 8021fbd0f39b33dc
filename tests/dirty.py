"""Strategies that draw dirty tables and layers, and what must hold of them whatever they are."""

import csv
import faulthandler
import io as io_module
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import geopandas as gpd
import pyogrio
import shapely
from hypothesis import strategies as st

from gossan import io
from gossan.errors import GossanError
from gossan.io.cells import RULES
from gossan.survey import DepositSource, FaultSource, GeologySource, SampleSource

#: Seconds of this process's own time that one input may take.
LONGEST = 10.0
CRS = "EPSG:26910"
LAYER_CRS = [None, CRS, "EPSG:4326", "EPSG:3857", "EPSG:26710"]


class Hang(BaseException):
    """Tells that something took too long; no handler of errors takes it for one of its own."""


@contextmanager
def within(seconds: float = LONGEST) -> Iterator[None]:
    """Stop what takes longer, so that it fails and does not wait.

    The time is this process's own, whatever else the machine does. Where no Python runs that could be
    stopped, as in a library's loop, or all waits, the process ends with a traceback after 6 times as long
    by the clock.
    """

    def stop(*_):
        raise Hang(f"took more than {seconds:g} s")

    earlier = signal.signal(signal.SIGPROF, stop)
    faulthandler.dump_traceback_later(6 * seconds, exit=True, file=sys.__stderr__)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    except Hang as hang:
        raise AssertionError(str(hang)) from hang
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGPROF, earlier)


CELLS = st.one_of(
    st.floats(allow_nan=True).map(str),
    st.integers(-10_000, 10_000).map(str),
    st.sampled_from(
        [
            *(
                "<0.5",
                "<LOD",
                "bdl",
                "ND",
                "-9999",
                "-5",
                "0",
                ">10000",
                "1,5",
                "1e3",
                "=1+1",
                "5L",
            ),
            *(
                "10000G",
                "<=2",
                "OL",
                "nan",
                "STD",
                "BLK",
                "soil",
                "rock",
            ),
        ]
    ),
    st.sampled_from(["", "< 2", " 7 ", '"', "\u22125", "\uff1c1", "1 000", "a\nb"]),
    st.sampled_from(
        [
            "1.234",
            "1.234,5",
            "1,234",
            "2.345.678",
            "W",
            "-0",
            "120°30'15\"E",
            "55 10 12 N",
            "-122:30:15",
            "12 30 S",
            "1,234.5",
            "0,05",
            "N.A.",
            "LNR",
            "IS",
        ]
    ),
    st.text(max_size=8),
)
NAMES = st.one_of(
    st.sampled_from(
        [
            *(
                "x",
                "y",
                "X",
                "Y",
                "lon",
                "lat",
                "easting",
                "northing",
                "Cu",
                "Cu_ppm",
                "Au_ppb",
            ),
            *(
                "Fe2O3_pct",
                "Fe_pct",
                "Cu_Q",
                "QC",
                "medium",
                "year",
                "pH",
                "id",
                "В",
            ),
        ]
    ),
    st.sampled_from(["Au (ng/g)", "x_km", "Sample Type", "Cu_ppm", ""]),
    st.text(max_size=6),
)
UNDER = st.sampled_from([[], [["", "", "ppm", "ppb"]], [["DL", "", "0.5", "1"]], [["Units", "m", "m", "%"]]])
ABOVE = st.sampled_from(["", "Certificate\n", "a,b\n\n", "\n\n"])
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gbk", "latin-1"])
SPOT = st.one_of(
    st.tuples(st.floats(3e5, 7e5), st.floats(6.0e6, 6.2e6)),
    st.tuples(st.floats(-124, -122), st.floats(54, 56)),
    st.just((0.0, 0.0)),
    st.tuples(st.floats(), st.floats()),
)


NUMBERS = st.floats(0.001, 9_999).map("{:.4g}".format)
#: Coordinates of one kind each, with the names that say what they are.
PLACES = {
    ("x", "y"): st.tuples(st.floats(3e5, 7e5).map("{:.1f}".format), st.floats(6.0e6, 6.2e6).map(str)),
    ("lon_nad83", "lat_nad83"): st.tuples(st.floats(-124, -122).map(str), st.floats(54, 56).map(str)),
    ("Longitude", "Latitude"): st.tuples(
        st.integers(0, 59).map("122 {} 10 W".format), st.integers(0, 59).map("55°{}'N".format)
    ),
    ("lon_deg", "lon_min", "lon_sec", "lat_deg", "lat_min", "N/S"): st.tuples(
        st.sampled_from(["-122", "-123"]),
        *[st.integers(0, 59).map(str)] * 2,
        st.sampled_from(["55", "55"]),
        st.floats(0, 59).map("{:.2f}".format),
        st.sampled_from(["N", "", "n"]),
    ),
    ("Easting (m)", "Northing (m)"): st.tuples(
        st.integers(300_000, 700_000).map(str), st.integers(6_000_000, 6_200_000).map(str)
    ),
}


@st.composite
def usual_tables(draw):
    """Draw the bytes of a table that can mostly be read, with dirt in some of its cells, names and rows."""
    names, places = draw(st.sampled_from(list(PLACES.items())))
    extra = draw(st.lists(NAMES.filter(lambda name: name.strip().lower() not in ("x", "y")), max_size=5))
    width = len(extra) + 1
    often = st.one_of(NUMBERS, NUMBERS, NUMBERS, CELLS)
    spot = st.one_of(*[places] * 9, st.tuples(*[CELLS] * len(names)))
    rows = draw(
        st.lists(st.tuples(spot, st.lists(often, min_size=width, max_size=width)), min_size=4, max_size=12)
    )
    under = [[*[""] * len(names), *row] for row in draw(st.sampled_from([[], [], [["ppm"]], [["ppb", "%"]]]))]
    text, separator = io_module.StringIO(), draw(st.sampled_from(",;\t|"))
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(text, delimiter=separator, lineterminator=ends)
    writer.writerows([[*names, "Cu", *extra], *under, *([*place, *cells] for place, cells in rows)])
    last = draw(st.sampled_from(["", "", ends, f"{ends}Total{ends}"]))
    return (draw(ABOVE) + text.getvalue() + last).encode(draw(ENCODINGS), errors="replace")


@st.composite
def wild_tables(draw):
    """Draw the bytes of a table that is seldom one."""
    heads = draw(st.lists(NAMES, min_size=1, max_size=7))
    rows = draw(st.lists(st.lists(CELLS, min_size=1, max_size=7), max_size=7))
    if draw(st.booleans()):
        heads = ["x", "y", *heads]
        rows = [[*map(str, draw(SPOT)), *row] for row in rows]
    separator = draw(st.sampled_from(",;\t|"))
    lines = [separator.join(row) for row in [heads, *draw(UNDER), *rows]]
    text = draw(ABOVE) + draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines)
    return text.encode(draw(ENCODINGS), errors="replace")


def tables():
    """Draw the bytes of a dirty table: two of three can mostly be read, the third seldom."""
    return st.one_of(usual_tables(), usual_tables(), wild_tables())


def hold_of_a_table(path, content, censored, transform):
    """Read a table of any bytes: read with counts that add up, or refused in one line, and unchanged."""
    path.write_bytes(content)
    done = 0
    for read in (
        lambda: io.read_samples(path, SampleSource("d", censored=censored, transform=transform), CRS),
        lambda: io.read_deposits(path, DepositSource("d"), CRS),
    ):
        try:
            with within():
                points, counts = read()
        except GossanError as error:
            said = str(error)
            assert len(said.splitlines()) == 1
            continue
        assert len(points) == counts["kept"] == counts["rows"] - sum(counts["dropped"].values())
        for found in counts.get("elements", {}).values():
            assert sum(found.get(rule, 0) for rule in RULES) == counts["kept"]
        done += 1
    assert path.read_bytes() == content
    return done


NUMBER = st.one_of(st.floats(-1e7, 1e7), st.floats(), st.integers(-200, 200).map(float))
CORNERS = st.lists(st.tuples(*[st.floats(-1e7, 1e7) | st.integers(-200, 200).map(float)] * 2), min_size=3)
POINTS = st.lists(st.tuples(NUMBER, NUMBER), min_size=2, max_size=8)
SHAPES = st.recursive(
    st.one_of(
        st.none(),
        st.tuples(NUMBER, NUMBER).map(shapely.Point),
        POINTS.map(shapely.LineString),
        CORNERS.map(shapely.Polygon),
        st.sampled_from([shapely.Polygon(), shapely.LineString(), shapely.Point()]),
        st.tuples(NUMBER, NUMBER, NUMBER).map(shapely.Point),
    ),
    lambda inner: st.lists(inner.filter(bool), max_size=3).map(shapely.GeometryCollection),
    max_leaves=6,
)


def hold_of_a_layer(path, shapes, crs):
    """Read a layer of any geometry: what is read is valid and counted, or it is refused in one line."""
    for old in path.parent.glob(f"{path.stem}.*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    frame = gpd.GeoDataFrame({"unit": ["a"] * len(shapes)}, geometry=shapes, crs=crs)
    try:
        pyogrio.write_dataframe(frame, path, geometry_type="Unknown")
    except (
        *(pyogrio.errors.FeatureError, pyogrio.errors.GeometryError, pyogrio.errors.DataSourceError),
        *(pyogrio.errors.DataLayerError, pyogrio.errors.FieldError),
    ):
        return 0  # the format cannot hold it
    done = 0
    for read in (
        lambda: io.read_geology(path, GeologySource("g", attribute="unit"), CRS),
        lambda: io.read_faults(path, FaultSource("f"), CRS),
        lambda: io.read_area(path, CRS),
        lambda: io.read_deposits(path, DepositSource("d"), CRS),
    ):
        try:
            with within():
                got, counts = read()
        except GossanError as error:
            said = str(error)
            assert len(said.splitlines()) == 1
            continue
        assert len(got) == counts["kept"] > 0
        if isinstance(got, gpd.GeoDataFrame):
            assert got.is_valid.all()
        done += 1
    return done
