"""The good project that every bad input is put into, and the bad inputs that are no text, built anew."""

import shutil
import sqlite3
import struct
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely
from rasterio.transform import from_origin

FOLDER = Path(__file__).with_name("corpus")
CRS = "EPSG:26910"
WEST, SOUTH, SIDE = 500_000.0, 6_100_000.0, 40_000.0
PROJECT = """[project]
crs = "EPSG:26910"
resolution = 250.0
[samples]
path = "samples.csv"
[deposits]
path = "deposits.csv"
[windows]
size = 16
"""


def good_samples(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, y = (corner + rng.uniform(0, SIDE, rows) for corner in (WEST, SOUTH))
    copper, gold = rng.lognormal(3, 0.5, rows), rng.lognormal(1, 0.5, rows)
    table = pd.DataFrame({"x": x, "y": y, "Cu_ppm": copper, "Au_ppb": gold}).round(2)
    table.insert(0, "sample_id", [f"S{n}" for n in range(rows)])
    return table


def write_good(folder: Path) -> None:
    """Write a project that `gossan check` accepts."""
    rng = np.random.default_rng(1)
    spots = np.column_stack([corner + rng.uniform(1000, SIDE - 1000, 24) for corner in (WEST, SOUTH)])
    good_samples().to_csv(folder / "samples.csv", index=False)
    ore = pd.DataFrame(spots, columns=["x", "y"]).round(1)
    ore.insert(0, "name", [f"D{n}" for n in range(24)])
    ore.to_csv(folder / "deposits.csv", index=False)
    (folder / "project.toml").write_text(PROJECT, encoding="utf-8")


def place(name: str, folder: Path) -> Path:
    """Put a bad input into a folder: copied from the corpus, or built."""
    path = folder / name
    if (FOLDER / name).is_file():
        shutil.copy(FOLDER / name, path)
    elif name in BUILDERS:
        BUILDERS[name](path)
    return path


def frame(*geometry, crs=CRS, **columns) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns or {"unit": ["a"] * len(geometry)}, geometry=list(geometry), crs=crs)


SQUARE = shapely.box(WEST, SOUTH, WEST + SIDE, SOUTH + SIDE)
LINE = shapely.LineString([(WEST, SOUTH), (WEST + SIDE, SOUTH + SIDE)])
POINT = shapely.Point(WEST + 5000, SOUTH + 5000)
BOW = shapely.Polygon(
    [(WEST, SOUTH), (WEST + SIDE, SOUTH + SIDE), (WEST + SIDE, SOUTH), (WEST, SOUTH + SIDE), (WEST, SOUTH)]
)


def _layer(*geometry, **columns):
    return lambda path: pyogrio.write_dataframe(frame(*geometry, **columns), path)


def _without(*endings):
    """Build a Shapefile that lacks some of its parts."""

    def build(path):
        crs = None if ".prj" in endings else CRS
        pyogrio.write_dataframe(frame(SQUARE, crs=CRS), path)
        for ending in endings:
            path.with_suffix(ending).unlink()
        assert crs is None or path.with_suffix(".prj").exists()

    return build


def _degrees_without_prj(path):
    pyogrio.write_dataframe(frame(shapely.box(-123, 55, -122, 56)), path)
    path.with_suffix(".prj").unlink()


def _odd_prj(path):
    pyogrio.write_dataframe(frame(SQUARE), path)
    prj = path.with_suffix(".prj")
    prj.write_bytes(prj.read_bytes().replace(b"NAD_1983", b"Gau\xdf"))


def _cut(build, keep):
    def inner(path):
        build(path)
        path.write_bytes(path.read_bytes()[:keep])

    return inner


def _changed(build, old, new):
    def inner(path):
        build(path)
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))

    return inner


def wkb_layer(*blobs):
    """Build a GeoPackage whose geometries are these bytes, which no library would write."""

    def build(path):
        pyogrio.write_dataframe(frame(SQUARE), path, layer="l", driver="GPKG", geometry_type="Unknown")
        base = sqlite3.connect(path)
        triggers = base.execute("select name from sqlite_master where type = 'trigger'").fetchall()
        for (name,) in triggers:
            base.execute(f'drop trigger "{name}"')
        base.execute("delete from l")
        for blob in blobs:
            head = b"GP\x00\x01" + struct.pack("<i", 26910)
            base.execute("insert into l (geom, unit) values (?, 'a')", (head + blob,))
        base.execute("update gpkg_ogr_contents set feature_count = ?", (len(blobs),))
        base.commit()
        base.close()

    return build


def ring(*points):
    coordinates = struct.pack(f"<{2 * len(points)}d", *(value for point in points for value in point))
    return struct.pack("<BIII", 1, 3, 1, len(points)) + coordinates


def arc():
    points = [(WEST, SOUTH), (WEST + 500, SOUTH + 500), (WEST + 1000, SOUTH)]
    return struct.pack("<BII", 1, 8, 3) + b"".join(struct.pack("<dd", *point) for point in points)


TRIANGLE = [(WEST, SOUTH), (WEST + SIDE, SOUTH), (WEST, SOUTH + SIDE)]
TIN = struct.pack("<BII", 1, 16, 1) + struct.pack("<BII", 1, 17, 1) + ring(*TRIANGLE, TRIANGLE[0])[9:]


def _raster(values, *, count=1, georeferenced=True, **profile):
    values = np.asarray(values)

    def build(path):
        import warnings

        profile.setdefault("dtype", values.dtype.name)
        where = (
            {"crs": CRS, "transform": from_origin(WEST, SOUTH + SIDE, 1000, 1000)} if georeferenced else {}
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            rows, cols = values.shape
            with rasterio.open(path, "w", height=rows, width=cols, count=count, **where, **profile) as file:
                for band in range(1, count + 1):
                    file.write(values, band)

    return build


FIELD = np.arange(1600, dtype=np.float32).reshape(40, 40)


def _sparse(path):
    with rasterio.open(
        path, "w", driver="GTiff", height=40_000, width=40_000, count=1, dtype="uint8", crs=CRS,
        transform=from_origin(WEST, SOUTH + SIDE, 1, 1), sparse_ok=True, tiled=True, bigtiff="yes",
    ):  # fmt: skip
        pass


# ---- layers of other programs


def of_mapinfo(*without):
    """Build a table of MapInfo, or its exchange format, that lacks some of its parts."""

    def build(path):
        kind = {"FORMAT": "MIF"} if path.suffix == ".mif" else {}
        pyogrio.write_dataframe(frame(SQUARE, BOW), path, driver="MapInfo File", **kind)
        for ending in without:
            path.with_suffix(ending).unlink()

    return build


def geodatabase(*layers):
    def build(path):
        for name in layers:
            pyogrio.write_dataframe(
                frame(SQUARE), path, layer=name, driver="OpenFileGDB", append=path.exists()
            )

    return build


#: Objects of a drawing: a closed line, a line, a line of the printed sheet, and a block put down as an array.
DXF = {
    "ring": "0 LWPOLYLINE 8 ROCKS 90 4 70 1 10 {W} 20 {S} 10 {W9} 20 {S} 10 {W9} 20 {S9} 10 {W} 20 {S9}",
    "line": "0 LINE 8 FAULTS 10 {W} 20 {S} 11 {W} 21 {S5}",
    "sheet": "0 LINE 8 FRAME 67 1 10 0 20 0 11 9 21 9",
    "put": "0 INSERT 8 ORE 2 MARK 10 {W} 20 {S} 70 {{}} 71 {{}} 44 100 45 100",
}
DXF = {
    name: "\n".join(text.format(W=WEST, S=SOUTH, W9=WEST + 9, S9=SOUTH + 9, S5=SOUTH + 5).split()) + "\n"
    for name, text in DXF.items()
}


#: Objects that are made of more than they say.
CURVES = [
    "\n".join(text.format(W=WEST, S=SOUTH).split()) + "\n"
    for text in (
        "0 CIRCLE 8 A 10 {W} 20 {S} 40 90",
        "0 ARC 8 A 10 {W} 20 {S} 40 90 50 10 51 200",
        "0 ELLIPSE 8 A 10 {W} 20 {S} 11 50 21 0 40 0.5 41 0 42 6.28",
        "0 SPLINE 8 A 71 3 72 8 73 4 40 0 40 0 40 0 40 0 40 1 40 1 40 1 40 1 10 {W} 20 {S} 10 9 20 9 "
        "10 5 20 0 10 1 20 8",
        "0 HATCH 8 A 2 SOLID 70 1 71 0 91 1 92 2 72 0 73 1 93 3 10 {W} 20 {S} 10 0 20 0 10 9 20 0 97 0",
        "0 POLYLINE 8 A 66 1 70 1 0 VERTEX 8 A 10 {W} 20 {S} 42 1 0 VERTEX 8 A 10 0 20 0 0 SEQEND",
        "0 TEXT 8 A 10 {W} 20 {S} 40 2 1 granite",
    )
]


def kml_of(path: Path) -> None:
    """Write polygons as KML."""
    pyogrio.write_dataframe(frame(SQUARE, SQUARE).to_crs("EPSG:4326"), path, driver="LIBKML")


def dxf(objects: str) -> str:
    """Write a drawing with one block, MARK, and objects."""
    block = "0 BLOCK 8 0 2 MARK 70 0 10 0 20 0 0 POINT 8 0 10 0 20 0 0 ENDBLK 8 0"
    parts = ["0 SECTION 2 HEADER 0 ENDSEC 0 SECTION 2 BLOCKS", block, "0 ENDSEC 0 SECTION 2 ENTITIES"]
    return "\n".join(" ".join(parts).split()) + f"\n{objects}0\nENDSEC\n0\nEOF\n"


# ---- workbooks


def _workbook(**sheets):
    def build(path):
        with pd.ExcelWriter(path) as book:
            for name, rows in sheets.items():
                pd.DataFrame(rows).to_excel(book, sheet_name=name, index=False, header=False)

    return build


def _zip(**parts):
    def build(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)

    return build


def _bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            for _ in range(60):
                part.write(b" " * (1 << 20))


def _lying_bomb(path):
    """State a size of nothing for a part of 60 MB."""
    _bomb(path)
    content = bytearray(path.read_bytes())
    size = struct.pack("<I", 60 << 20)
    assert content.count(size) >= 1
    path.write_bytes(content.replace(size, struct.pack("<I", 10)))


def _entities(path):
    lines = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a0 "ha">{lines}]><b>&a9;</b>'
    good = path.with_name("good.xlsx")
    _workbook(Data=[["x", "y", "Cu"], [WEST, SOUTH, 1]])(good)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as archive:
        for name in source.namelist():
            changed = text if name.endswith("sheet1.xml") else source.read(name)
            archive.writestr(name, changed)
    good.unlink()


def _bytes(content):
    return lambda path: path.write_bytes(content)


def _utf16_without_mark(path):
    path.write_bytes(good_samples(5).to_csv(index=False).encode("utf-16-le"))


BUILDERS = {
    # text that an editor would not keep as it is
    "nul_bytes.csv": _bytes(b"x,y,Cu\n\x00\x00\x00\x00,\x00\x00,\x00\n" * 3),
    "picture.csv": _bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4),
    "utf16_without_mark.csv": _utf16_without_mark,
    "one_long_line.csv": _bytes(b"x" * (2 << 20)),
    "many_columns.csv": _bytes(b",".join(b"c%d" % n for n in range(20_000)) + b"\n1\n"),
    "workbook_renamed.csv": lambda path: (
        _workbook(A=[["x", "y", "Cu"], [WEST, SOUTH, 1]])(path.with_suffix(".xlsx"))
        or path.with_suffix(".xlsx").rename(path)
    ),
    "half_a_letter.csv": _bytes("x,y,Cu,note\n500000,6100000,1,größ".encode()[:-1]),
    # workbooks
    "text_renamed.xlsx": _bytes(b"x,y,Cu\n500000,6100000,1\n"),
    "old_binary.xls": _bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    "old_binary.xlsx": _bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    "empty_archive.xlsx": _zip(),
    "other_archive.xlsx": _zip(readme_xml="<a/>"),
    "broken_xml.xlsx": _zip(**{"[Content_Types]_xml": "<Types><", "xl__workbook_xml": "<workbook"}),
    "cut_off.xlsx": _cut(_workbook(Data=[["x", "y", "Cu"], [WEST, SOUTH, 1]]), 3000),
    "empty_sheet.xlsx": _workbook(Data=[]),
    "two_sheets.xlsx": _workbook(Info=[["read me"]], Data=[["x", "y", "Cu"], [WEST, SOUTH, 1]]),
    "bomb.xlsx": _bomb,
    "lying_bomb.xlsx": _lying_bomb,
    "entities.xlsx": _entities,
    # vectors
    "no_dbf.shp": _without(".dbf"),
    "no_shx.shp": _without(".shx"),
    "degrees_no_prj.shp": _degrees_without_prj,
    "prj_not_utf-8.shp": _odd_prj,
    "header_only.shp": _cut(_layer(SQUARE), 100),
    "cut_off.shp": _cut(_layer(SQUARE), 150),
    "cut_off.gpkg": _cut(_layer(SQUARE), 20_000),
    "only_magic.gpkg": _bytes(b"SQLite format 3\x00" + bytes(84)),
    "text_renamed.gpkg": _bytes(b"x,y\n1,2\n"),
    "service.gpkg": _bytes(b"<OGRWFSDataSource><URL>http://127.0.0.1:9/wfs</URL></OGRWFSDataSource>"),
    "whole.shp": _layer(SQUARE),
    "whole.fgb": _layer(SQUARE, BOW),
    "lines.gpkg": _layer(LINE),
    "points.gpkg": _layer(POINT),
    "squares.gpkg": _layer(SQUARE),
    "squares_nowhere.gpkg": _layer(shapely.affinity.translate(SQUARE, 300_000, 0)),
    "empty.gpkg": lambda path: pyogrio.write_dataframe(frame(SQUARE).iloc[:0], path, geometry_type="Polygon"),
    "no_geometry.gpkg": lambda path: pyogrio.write_dataframe(pd.DataFrame({"unit": ["a"]}), path),
    "null_geometry.gpkg": lambda path: pyogrio.write_dataframe(
        frame(None, None), path, geometry_type="Polygon"
    ),
    "two_layers.gpkg": lambda path: [
        pyogrio.write_dataframe(frame(SQUARE), path, layer=name, append=path.exists()) for name in "ab"
    ],
    "two_texts.gpkg": _layer(SQUARE, age=["old"], rock=["schist"]),
    "bow_tie.gpkg": _layer(BOW, SQUARE),
    "flat_polygon.gpkg": _layer(shapely.Polygon([(WEST, SOUTH), (WEST + 9, SOUTH), (WEST, SOUTH)])),
    "dots_of_lines.gpkg": _layer(shapely.LineString([(WEST, SOUTH), (WEST, SOUTH)])),
    "mixed.gpkg": _layer(shapely.GeometryCollection([SQUARE, LINE, POINT]), SQUARE),
    "garbage_wkb.gpkg": wkb_layer(b"\x01\x03\x00\x00\x00garbage"),
    "endless_ring.gpkg": wkb_layer(struct.pack("<BII", 1, 3, 2**31 - 1)),
    "open_ring.gpkg": wkb_layer(ring(*TRIANGLE, (WEST + 9, SOUTH + 9))),
    "tin.gpkg": wkb_layer(TIN),
    "infinite.gpkg": wkb_layer(ring((WEST, SOUTH), (np.inf, SOUTH), (WEST, np.nan), (WEST, SOUTH))),
    "polygons_as_points.gpkg": _layer(SQUARE, name=["A"]),
    "local_crs.gpkg": lambda path: pyogrio.write_dataframe(
        frame(SQUARE).set_crs('LOCAL_CS["mine grid",UNIT["metre",1]]', allow_override=True), path
    ),
    # layers of other programs
    "entities.kml": _bytes(
        b'<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        b"<kml><Document><Placemark><name>&b;</name></Placemark></Document></kml>"
    ),
    "cut_off.kml": _bytes(b'<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>a'),
    "globe.kmz": _zip(doc_kml="<kml/>"),
    "tabs.tab": _bytes(b"x\ty\tCu_ppm\n500000\t6100000\t5\n"),
    "seamless.tab": _bytes(
        b'!table\n!version 300\n\nDefinition Table\n  Type NATIVE Charset "Neutral"\n  Fields 1\n'
        b'begin_metadata\n"\\IsSeamless" = "TRUE"\nend_metadata\n'
    ),
    "no_map.tab": of_mapinfo(".map"),
    "cut_off.mif": _cut(of_mapinfo(), 250),
    "no_mid.mif": of_mapinfo(".mid"),
    "endless_scale.mif": _changed(of_mapinfo(), b" 0.9996,", b" 1e999,"),
    "no_crs.dxf": lambda path: path.write_text(dxf(DXF["ring"])),
    "binary.dxf": _bytes(b"AutoCAD Binary DXF\r\n\x1a\x00" + bytes(50)),
    "copies.dxf": lambda path: path.write_text(dxf(DXF["put"].format(30_000, 30_000))),
    "text_renamed.dxf": _bytes(b"x,y,Cu\n500000,6100000,1\n"),
    "folder.gdb": lambda path: path.mkdir(),
    "file.gdb": _bytes(b"\x00" * 64),
    "emptied.gdb": lambda path: (geodatabase("a")(path), [one.write_bytes(b"") for one in path.iterdir()]),
    "two_layers.gdb": geodatabase("a", "b"),
    # rasters
    "complex.tif": _raster(FIELD.astype(np.complex64)),
    "unplaced.tif": _raster(FIELD, georeferenced=False),
    "nothing.tif": _raster(np.full((40, 40), -9999, dtype=np.float32), nodata=-9999),
    "halves.tif": _raster(FIELD / 2),
    "one_band.tif": _raster(FIELD),
    "absurd.tif": _sparse,
    "cut_off.tif": _cut(_raster(FIELD), 500),
    "cut_pixels.tif": _cut(_raster(np.tile(FIELD, (10, 10))), 200_000),
    "picture.tif": _bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "service.tif": _bytes(
        b'<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${z}</ServerUrl></Service></GDAL_WMS>'
    ),
}
