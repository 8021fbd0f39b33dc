"""Strategies that draw dirty tables and layers, and what must hold of them whatever they are."""

import faulthandler
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
        ["120°30'15\"E", "55 10 12 N", "-122:30:15", "12 30 S", "1,234.5", "0,05", "N.A.", "LNR", "IS"]
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


@st.composite
def tables(draw):
    """Draw the bytes of a dirty table, often with usable coordinates in it."""
    heads = draw(st.lists(NAMES, min_size=1, max_size=7))
    rows = draw(st.lists(st.lists(CELLS, min_size=1, max_size=7), max_size=7))
    if draw(st.booleans()):
        heads = ["x", "y", *heads]
        rows = [[*map(str, draw(SPOT)), *row] for row in rows]
    separator = draw(st.sampled_from(",;\t|"))
    lines = [separator.join(row) for row in [heads, *draw(UNDER), *rows]]
    text = draw(ABOVE) + draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines)
    return text.encode(draw(ENCODINGS), errors="replace")


def hold_of_a_table(path, content, censored, transform):
    """Read a table of any bytes: read with counts that add up, or refused in one line, and unchanged."""
    path.write_bytes(content)
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
    assert path.read_bytes() == content


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
    path.unlink(missing_ok=True)
    frame = gpd.GeoDataFrame({"unit": ["a"] * len(shapes)}, geometry=shapes, crs=crs)
    try:
        pyogrio.write_dataframe(frame, path, geometry_type="Unknown")
    except (pyogrio.errors.FeatureError, pyogrio.errors.GeometryError, pyogrio.errors.DataSourceError):
        return  # the format cannot hold it
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
