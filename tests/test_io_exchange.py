"""Layers of other programs: KML, MapInfo, DXF and file geodatabases read as a GeoPackage of the same does."""

import contextlib
import shutil
import socket
import threading
import warnings

import numpy as np
import pyogrio
import pytest
import shapely

from corpus_files import BOW, CRS, DXF, SIDE, SOUTH, WEST, dxf, frame
from gossan.errors import DataError, DataWarning, UsageError
from gossan.io import file_hash, is_there, read_area, read_deposits, read_faults, read_geology, read_samples
from gossan.survey import DepositSource, FaultSource, GeologySource, SampleSource

ENDINGS = ["kml", "tab", "mif", "gdb"]
CORNERS = [WEST, SOUTH, WEST + SIDE, SOUTH + SIDE]


def write(table, path, **more):
    """Write a layer in the format of a path's ending."""
    driver = {
        "kml": "LIBKML",
        "tab": "MapInfo File",
        "mif": "MapInfo File",
        "gdb": "OpenFileGDB",
        "dxf": "DXF",
    }
    ending = path.suffix[1:]
    options = {"FORMAT": "MIF"} if ending == "mif" else {}
    moved = table.to_crs("EPSG:4326") if ending == "kml" else table
    pyogrio.write_dataframe(moved, path, driver=driver[ending], **options, **more)
    return path


@pytest.fixture(params=ENDINGS)
def made(request, tmp_path):
    """Write a layer in one of the formats."""
    return lambda table, **more: write(table, tmp_path / f"l.{request.param}", **more)


def halves(**columns):
    middle = WEST + SIDE / 2
    left, right = shapely.box(WEST, SOUTH, middle, SOUTH + SIDE), shapely.box(middle, SOUTH, *CORNERS[2:])
    return frame(left, right, **({"unit": ["schist", "basalt"]} | columns))


def test_polygons_of_geology_are_those_of_a_geopackage(made):
    got, counts = read_geology(made(halves()), GeologySource("l", attribute="unit"), CRS)
    assert got["unit"].tolist() == ["schist", "basalt"]
    expected = halves().geometry
    away = shapely.hausdorff_distance(got.geometry.to_numpy(), expected.to_numpy())
    assert (away < 1.0).all()
    assert counts["crs_from"] == "file"
    assert counts["kept"] == 2


def test_the_only_text_needs_no_naming(made):
    got, counts = read_geology(made(halves()), GeologySource("l"), CRS)
    assert counts["attribute"] == "unit"
    assert len(got) == 2


def test_lines_of_faults_and_polygons_of_the_area(made, tmp_path):
    lines = [
        shapely.LineString([(WEST, SOUTH), (WEST + 900, SOUTH)]),
        shapely.LineString([(WEST, SOUTH), (WEST, SOUTH + 500)]),
    ]
    got, counts = read_faults(made(frame(*lines)), FaultSource("l"), CRS)
    assert counts["length_m"] == pytest.approx(1400, rel=1e-3)
    assert len(got) == 2
    for old in tmp_path.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    _, counts = read_area(made(halves()), CRS)
    assert counts["area_km2"] == pytest.approx(SIDE**2 / 1e6, rel=1e-3)


def test_points_of_samples_and_deposits(made):
    spots = [shapely.Point(WEST + n * 1000, SOUTH + n * 500) for n in range(5)]
    path = made(frame(*spots, name=list("abcde"), Cu_ppm=[1.5, 2.5, 3.5, 4.5, 5.5]))
    deposits, _ = read_deposits(path, DepositSource("l"), CRS)
    assert deposits.names == tuple("abcde")
    samples, counts = read_samples(path, SampleSource("l", transform="none"), CRS)
    assert samples.values["Cu"].tolist() == [1.5, 2.5, 3.5, 4.5, 5.5]
    assert counts["x"] == "geometry"
    np.testing.assert_allclose(samples.coordinates, shapely.get_coordinates(spots), atol=1.0)


@pytest.mark.parametrize("ending", ["tab", "mif", "gdb", "kml"])
def test_repairs_heights_and_mixed_geometry_are_as_in_other_formats(tmp_path, ending):
    path = tmp_path / f"l.{ending}"
    high = shapely.Polygon([(x, y, 5) for x, y in shapely.box(*CORNERS).exterior.coords])
    point = [] if ending == "gdb" else [shapely.Point(WEST, SOUTH)]  # a layer there has one type
    table = frame(BOW, high, *point)
    path.write_text(placemarks(table)) if ending == "kml" else write(table, path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", DataWarning)
        got, counts = read_geology(path, GeologySource(path.name, attribute="unit"), CRS)
    told = "; ".join(str(one.message) for one in heard)
    assert "repaired 1 invalid polygons" in told
    assert (counts["kept"], counts["repaired"]) == (2, 1)
    assert counts["dropped"]["rows without a polygon"] == len(point)
    assert not got.has_z.any()
    assert got.is_valid.all()


def placemarks(table):
    """Write KML that its driver would not write: rings that cross themselves."""
    shapes = table.to_crs("EPSG:4326").geometry
    rings = [" ".join(f"{x},{y}" for x, y, *_ in shapely.get_coordinates(one)) for one in shapes]
    ring = "<Polygon><outerBoundaryIs><LinearRing>{}</LinearRing></outerBoundaryIs></Polygon>"
    marks = [
        (ring if one.geom_type == "Polygon" else "<Point>{}</Point>").format(
            f"<coordinates>{text}</coordinates>"
        )
        for one, text in zip(shapes, rings, strict=True)
    ]
    data = '<ExtendedData><Data name="unit"><value>a</value></Data></ExtendedData>'
    body = "".join(f"<Placemark>{data}{mark}</Placemark>" for mark in marks)
    return f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'


def test_of_several_layers_one_is_named(tmp_path):
    path = tmp_path / "l.gdb"
    for name in ("rocks", "other"):
        pyogrio.write_dataframe(halves(), path, layer=name, driver="OpenFileGDB", append=path.exists())
    with pytest.raises(UsageError, match=r"l\.gdb has 2 layers \(rocks, other\); one is read; name it as"):
        read_geology(path, GeologySource("l.gdb"), CRS)
    got, _ = read_geology(path, GeologySource("l.gdb", layer="rocks"), CRS)
    assert len(got) == 2


KML = """<?xml version="1.0"?><!-- made by hand --><kml xmlns="http://www.opengis.net/kml/2.2"><Document>
<name>all</name>{0}<Folder><name>ore</name><Placemark><name>Red</name><Point><coordinates>-123,55.1,0
</coordinates></Point></Placemark>{0}</Folder>{1}</Document></kml>"""


def test_folders_of_kml_that_hold_nothing_are_no_layers(tmp_path):
    path = tmp_path / "k.kml"
    path.write_text(KML.format("", "<Folder><name>empty</name></Folder>"))
    deposits, counts = read_deposits(path, DepositSource("k.kml"), CRS)
    assert deposits.names == ("Red",)
    assert counts["layer"] == "ore"


def test_links_of_kml_are_told_and_not_followed(tmp_path):
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)
        link = f"<NetworkLink><Link><href>http://127.0.0.1:{server.getsockname()[1]}/a.kml</href></Link></NetworkLink>"

        def listen():
            with contextlib.suppress(TimeoutError):
                heard.append(server.accept())

        ear = threading.Thread(target=listen)
        ear.start()
        (tmp_path / "k.kml").write_text(KML.format(link, ""))
        with pytest.warns(DataWarning, match=r"2 links of k\.kml to other files are not followed"):
            read_deposits(tmp_path / "k.kml", DepositSource("k.kml"), CRS)
        ear.join()
    assert heard == []


# ---- drawings


def test_a_drawing_needs_a_crs_and_then_reads(tmp_path):
    path = tmp_path / "d.dxf"
    path.write_text(dxf(DXF["ring"] + DXF["line"] + DXF["sheet"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with pytest.raises(UsageError, match=r"which holds no CRS; give it as \[geology\] crs"):
            read_geology(path, GeologySource("d.dxf"), CRS)
        with pytest.raises(UsageError, match="which holds no CRS; export it with its crs as GeoPackage"):
            read_area(path, CRS)
        got, counts = read_geology(path, GeologySource("d.dxf", crs=CRS), CRS)
    assert got["unit"].tolist() == ["ROCKS"]  # the layer of the drawing
    assert counts["paper_space"] == 1
    assert got.area.sum() == pytest.approx(81)
    with pytest.warns(DataWarning, match="1 objects of the printed sheet, not of the map, are left out"):
        lines, _ = read_faults(path, FaultSource("d.dxf", crs=CRS), CRS)
    assert lines.length.tolist() == pytest.approx([36, 5])  # a closed line is a line here


def test_a_block_of_a_drawing_is_a_point_where_it_is_put(tmp_path):
    path = tmp_path / "d.dxf"
    path.write_text(dxf(DXF["put"].format(3, 2)))
    deposits, _ = read_deposits(path, DepositSource("d.dxf", crs=CRS), CRS)
    assert len(deposits) == 6
    assert deposits.coordinates.min(axis=0).tolist() == [WEST, SOUTH]


# ---- what is refused


def service(path):
    path.write_bytes(b"<OGRWFSDataSource><URL>http://127.0.0.1:9/wfs</URL></OGRWFSDataSource>")


@pytest.mark.parametrize("ending", [*ENDINGS, "dxf"])
def test_what_is_not_what_its_ending_says_is_refused_before_it_is_opened(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(pyogrio, "list_layers", lambda *_: pytest.fail("opened"))
    path = tmp_path / f"s.{ending}"
    service(path)
    with pytest.raises(DataError, match=r"does not begin like|is no file geodatabase"):
        read_geology(path, GeologySource(path.name), CRS)


@pytest.mark.parametrize("ending", [*ENDINGS, "dxf"])
def test_a_build_without_the_driver_says_what_to_do(tmp_path, ending, monkeypatch):
    path = tmp_path / f"s.{ending}"
    path.mkdir() if ending == "gdb" else path.write_bytes(b"x")
    monkeypatch.setattr(pyogrio, "list_drivers", lambda: {"GPKG": "raw"})
    with pytest.raises(UsageError, match=r"this build of GDAL does not read; export its layer as GeoPackage"):
        read_geology(path, GeologySource(path.name), CRS)


def test_parts_that_are_missing_are_named(tmp_path):
    write(halves(), tmp_path / "l.tab")
    (tmp_path / "l.dat").unlink()
    with pytest.raises(DataError, match=r"l\.tab has no l\.dat beside it; copy all parts"):
        read_geology(tmp_path / "l.tab", GeologySource("l.tab"), CRS)


@pytest.mark.parametrize(
    "text",
    [
        '!table\n!version 300\nDefinition Table\n  Type NATIVE Charset "Neutral"\n"\\IsSeamless" = "TRUE"\n',
        '!table\n!version 100\nopen table "a" Hide\nopen table "b" Hide\nCreate View v As\nSelect a from b\n',
        '!table\n!version 300\nDefinition Table\n  File "map.tif"\n  Type "RASTER"\n',
    ],
)
def test_tables_that_only_name_others_are_refused(tmp_path, text):
    (tmp_path / "l.tab").write_text(text)
    with pytest.raises(DataError, match="is no MapInfo table of its own"):
        read_geology(tmp_path / "l.tab", GeologySource("l.tab"), CRS)


@pytest.mark.parametrize("ending", ["kml", "dxf"])
def test_files_of_absurd_size_are_refused_unread(tmp_path, ending):
    path = tmp_path / f"l.{ending}"
    with path.open("wb") as stream:
        stream.truncate(201 << 20)
    with pytest.raises(DataError, match=r"has 211 MB; of \.\w+ at most 210 MB are read"):
        read_geology(path, GeologySource(path.name), CRS)


# ---- what they are made of


def test_the_hash_of_a_geodatabase_is_of_all_its_files_but_locks(tmp_path):
    path = write(halves(), tmp_path / "l.gdb")
    first = file_hash(path)
    (path / "_gdb.host.1.sr.lock").write_bytes(b"")
    assert file_hash(path) == first
    with next(path.glob("*.gdbtable")).open("ab") as stream:
        stream.write(b"x")
    assert file_hash(path) != first
    assert is_there(path)
    assert not is_there(tmp_path)


def test_the_hash_of_a_mapinfo_table_holds_its_parts(tmp_path):
    path = write(halves(), tmp_path / "l.tab")
    first = file_hash(path)
    with (tmp_path / "l.dat").open("ab") as stream:
        stream.write(b"x")
    assert file_hash(path) != first


def test_reading_changes_nothing_of_a_geodatabase(tmp_path):
    path = write(halves(), tmp_path / "l.gdb")
    before = {one.name: one.read_bytes() for one in path.iterdir()}
    read_geology(path, GeologySource("l.gdb"), CRS)
    assert {one.name: one.read_bytes() for one in path.iterdir()} == before
