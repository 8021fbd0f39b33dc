"""Files as laboratories and surveys send them: each is read as it is meant, or refused in one clear line."""

import warnings

import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely

import corpus_files
from gossan.errors import DataError, DataWarning, UsageError
from gossan.io import read_deposits, read_geology, read_raster, read_samples
from gossan.io.cells import RULES, read_cells, to_numbers
from gossan.io.elements import parse_column
from gossan.survey import DepositSource, GeologySource, RasterSource, SampleSource

CRS = "EPSG:26910"

ALS = """VA23123456 - Finalized
"CLIENT : ""EXPLOCO"", Explo Co. Ltd."
"# of SAMPLES : 4"
"DATE RECEIVED : 2023-05-02  DATE FINALIZED : 2023-06-01"
"PROJECT : 'North, Block 2'"
"CERTIFICATE COMMENTS : "
,,,WEI-21,Au-AA23,ME-ICP61,ME-ICP61,Cu-OG62
SAMPLE,Easting,Northing,Recvd Wt.,Au,Ag,Cu,Cu
DESCRIPTION,m,m,kg,ppm,ppm,ppm,%
B100001,500000,6100000,2.10,<0.005,<0.5,120,
B100002,500100,6100100,1.95,0.012,1.5,>10000,1.52
B100003,500200,6100050,2.40,LNR,NSS,88,
B100004,500300,6100250,2.20,IS,2.5,>10000,
"*NSS is non-sufficient sample.",,,,,,,
"""


@pytest.fixture
def read(tmp_path):
    """Read content as a table of samples, warnings left aside."""

    def inner(content, name="samples.csv", crs=CRS, **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            return read_samples(path, SampleSource(name, **options), crs)

    return inner


# ---- certificates


def test_a_certificate_of_als_is_read_with_its_methods_units_and_footer(read):
    got, counts = read(ALS)
    assert counts["header"] == {"lines_above": 7, "rows_below": 1}
    assert (counts["rows"], counts["kept"], counts["dropped"]["missing or no numbers"]) == (5, 4, 1)
    units = {"Au": "ppb", "Ag": "ppb", "Cu": "ppm"}
    assert {name: found["unit"] for name, found in counts["elements"].items()} == units
    np.testing.assert_allclose(got.values["Cu"], [120, 15_200, 88, 10_000])
    np.testing.assert_allclose(got.values["Au"], [2.5, 12, np.nan, np.nan])
    assert counts["elements"]["Ag"]["empty"] == 1
    assert counts["reruns"] == {"Cu": {"Cu.1": 1}}
    assert (counts["elements"]["Cu"]["measured"], counts["elements"]["Cu"]["above"]) == (3, 1)


def test_what_a_rerun_adds_is_told(tmp_path):
    (tmp_path / "s.csv").write_text(ALS)
    with pytest.warns(DataWarning) as heard:
        read_samples(tmp_path / "s.csv", SampleSource("s.csv"), CRS)
    assert any("over the limit and taken from a second column: Cu 1 of Cu.1" in str(w.message) for w in heard)


def test_a_rerun_below_the_limit_or_of_unknown_unit_changes_nothing(read):
    head = "x,y,Cu_ppm,Cu_pct,Pb_ppm,Pb_OG62\n"
    rows = "500000,6100000,>10000,0.4,>5000,2\n500100,6100100,5,,7,\n500200,6100200,6,,8,\n"
    got, counts = read(head + rows)
    assert got.values["Cu"].tolist() == [10_000, 5, 6]
    assert got.values["Pb"].tolist() == [5_000, 7, 8]
    assert counts["reruns"] == {}


@pytest.mark.parametrize(
    ("name", "measured_in"),
    [
        ("Cu_ppm_ME-ICP61", "ppm"),
        ("Cu-OG62 %", "pct"),
        ("Au-GRA21 (ppm)", "ppm"),
        ("Au_ppb_FA430", "ppb"),
        ("Mo PPM AQ200", "ppm"),
        ("Zn_GE_ICP40Q12_ppm", "ppm"),
        ("Au GE_FAA313 ppb", "ppb"),
        ("Zr LF200 PPM", "ppm"),
        ("Cu\n(ppm)", "ppm"),
        ("Au(10-9)", "ppb"),
        ("Cu(×10⁻⁶)", "ppm"),
        ("SiO2(10-2)", "pct SiO2"),
        ("ΣFe", None),
        ("Pb206/Pb204", None),
        ("U238", None),
        ("Cu_percentile", None),
        ("Cu/Zn", None),
        ("No", None),
        ("Cu_ppm_rank", None),
    ],
)
def test_names_of_analyses_with_their_methods(name, measured_in):
    parsed = parse_column(name)
    assert (parsed.measured_in if parsed else None) == measured_in


def test_a_name_of_two_lines_in_quotes_is_one_name(read):
    got, counts = read('Sample,x,y,"Cu\n(ppm)","Au\n(ppb)"\nA,500000,6100000,5,1\nB,500100,6100100,7,2\n')
    assert got.units == {"Cu": "ppm", "Au": "ppb"}
    assert counts["kept"] == 2


def test_the_line_that_excel_reads_the_separator_from_is_no_header(read):
    got, _ = read("sep=;\nx;y;Cu\n500000,5;6100000;1,5\n500100;6100100;2,25\n")
    assert got.values["Cu"].tolist() == [1.5, 2.25]


def test_certificates_one_after_another_lose_their_inner_headers(read):
    part = "x,y,Cu\n500000,6100000,{}\n500100,6100100,{}\n"
    got, counts = read(part.format(1, 2) + part.format(3, 4))
    assert got.values["Cu"].tolist() == [1, 2, 3, 4]
    assert counts["dropped"]["missing or no numbers"] == 1


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_line_ends_of_any_kind_and_mixed(read, ends):
    text = f"x,y,Cu{ends}500000,6100000,1{ends}500100,6100100,2\n500200,6100200,3\r\n"
    got, _ = read(text) if ends != "\r" else (read(text.replace("\r\n", "\r").replace("\n", "\r"))[0], None)
    assert got.values["Cu"].tolist() == [1, 2, 3]


def test_a_tab_or_separator_within_quotes_is_text(read):
    got, counts = read('id,x,y,Cu,note\n"A\t1",500000,6100000,1,"a, b; c"\nB,500100,6100100,2,"d\ne"\n')
    assert counts["kept"] == 2
    assert got.values["Cu"].tolist() == [1, 2]


def test_ids_that_excel_made_numbers_of_are_let_be(read):
    _, counts = read("id,x,y,Cu\n1.2E+05,500000,6100000,1\n2-Mar,500100,6100100,2\n44927,500200,6100000,3\n")
    assert counts["kept"] == 3
    assert counts["ignored"] == ["id"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "gb18030", "cp1252"])
def test_encodings_of_spreadsheets(read, encoding):
    word = "样品" if encoding in ("gb18030", "utf-16") else "Größe"
    _, counts = read(f"{word}\tx\ty\tCu\nA\t500000\t6100000\t1\nB\t500100\t6100100\t2\n".encode(encoding))
    assert counts["ignored"] == [word]
    assert counts["kept"] == 2


def test_null_bytes_deep_in_a_table_are_counted(read):
    rows = "".join(f"{500_000 + n},{6_100_000 + n},{n + 1}\n" for n in range(500))
    _, counts = read(f"x,y,Cu\n{rows}500900,6100900,\x00\n500901,6100900,\x005\n")
    assert counts["kept"] == 502
    assert (counts["elements"]["Cu"]["measured"], counts["elements"]["Cu"]["text"]) == (500, 2)


# ---- cells


@pytest.mark.parametrize(
    ("cells", "numbers", "rules"),
    [
        (["1,234.5", "12,000", "5"], [1234.5, 12_000, 5], ["measured"] * 3),
        (["0.5", "1,234", ">10,000"], [0.5, 1234, 10_000], ["measured", "measured", "above"]),
        (["1,234,567", "<1,000"], [1_234_567, 1000], ["measured", "below"]),
        (["1,234", "2,345"], [np.nan, np.nan], ["text", "text"]),  # either may be meant
        (["1,5", "<0,05"], [1.5, 0.05], ["measured", "below"]),
        (["N.A.", "LNR", "IS", "I/S", "N/S"], [np.nan] * 5, ["empty"] * 5),
        (["1.5%", "12 E", "~5", "5-10", "0.5*"], [np.nan] * 5, ["text"] * 5),
        (["<0.01>", "><5", "<<5"], [np.nan] * 3, ["text"] * 3),
        (["１２", "＜５"], [12, 5], ["measured", "below"]),
        (["trace", "Tr", "BDL", "N.D."], [np.nan] * 4, ["below_unknown_limit"] * 4),
    ],
)
def test_cells_as_laboratories_write_them(cells, numbers, rules):
    values, code = read_cells(pd.Series(cells, dtype=object))
    np.testing.assert_array_equal(values, numbers)
    assert [RULES[one] for one in code] == rules


def test_easting_with_thousands_parted_is_a_number():
    cells = pd.Series(["500,000.5", "6,100,000", "501,000.0"], dtype=object)
    np.testing.assert_array_equal(to_numbers(cells), [500_000.5, 6_100_000, 501_000])


# ---- coordinates


@pytest.mark.parametrize(
    "names",
    [
        ("E", "N"),
        ("NAD83_East", "NAD83_North"),
        ("MGA_E", "MGA_N"),
        ("UTM_E_NAD83_Z10", "UTM_N_NAD83_Z10"),
        ("UTMX", "UTMY"),
        ("East_MGA94", "North_MGA94"),
        ("Rechtswert", "Hochwert"),
        ("Este", "Norte"),
        ("X坐标", "Y坐标"),
        ("横坐标", "纵坐标"),
        ("POINT_X", "POINT_Y"),
        ("Easting (m)", "Northing (m)"),
    ],
)
def test_names_of_eastings_and_northings(read, names):
    got, counts = read(f"id,{','.join(names)},Cu\n1,500000,6100000,1\n2,500100,6100100,2\n")
    assert got.coordinates.tolist() == [[500_000, 6_100_000], [500_100, 6_100_100]]
    assert (counts["x"], counts["y"]) == names
    assert list(got.values) == ["Cu"]


@pytest.mark.parametrize(
    "names", [("经度", "纬度"), ("Longitud", "Latitud"), ("Долгота", "Широта"), ("LONG_WGS84", "LAT_WGS84")]
)
def test_names_of_longitudes_and_latitudes(read, names):
    _, counts = read(f"{','.join(names)},Cu\n-122.5,55.1,1\n-122.6,55.2,2\n")
    assert counts["crs"] == "EPSG:4326"


@pytest.mark.parametrize(
    ("crs", "place", "said"),
    [
        ("EPSG:26910", "122.5,55.1", "west is negative"),
        ("EPSG:28350", "117.5,34.1", "south is negative"),
        ("EPSG:32719", "70.5,30.1", "west and south are negative"),
        ("EPSG:29902", "54.5,-7.1", "exchanged; longitude comes first"),
        ("EPSG:32637", "55.1,39.2", "exchanged; longitude comes first"),
    ],
)
def test_degrees_that_lost_their_sign_or_order_are_refused_with_what_to_do(read, crs, place, said):
    x, y = map(float, place.split(","))
    with pytest.raises(DataError, match=said):
        read(f"lon,lat,Cu\n{x},{y},1\n{x + 0.1},{y + 0.1},2\n", crs=crs)


def test_degrees_a_zone_away_are_still_taken(read):
    got, _ = read("lon,lat,Cu\n-131.5,56.1,1\n-131.6,56.2,2\n")
    assert (got.coordinates[:, 0] < 0).all()


# ---- workbooks


def book(path, fill, *more):
    made = openpyxl.Workbook()
    fill(made.active)
    for name, state in more:
        made.create_sheet(name).sheet_state = state
    made.save(path)
    return path.read_bytes()


def rows_of(sheet, first=1):
    rows = [("id", "x", "y", "Cu_ppm"), ("A", 500_000, 6_100_000, 5), ("B", 500_100, 6_100_100, "<2")]
    for n, row in enumerate(rows):
        for k, value in enumerate(row, 1):
            sheet.cell(first + n, k, value)


def test_title_rows_and_merged_cells_above_the_header_of_a_sheet(read, tmp_path):
    def fill(sheet):
        sheet["A1"] = "Certificate of analysis"
        sheet.merge_cells("A1:D2")
        rows_of(sheet, 4)

    got, counts = read(book(tmp_path / "b.xlsx", fill), "s.xlsx")
    assert got.values["Cu"].tolist() == [5, 1]
    assert counts["header"]["lines_above"] == 3


def test_a_sheet_that_is_hidden_is_no_choice(read, tmp_path):
    content = book(tmp_path / "b.xlsx", rows_of, ("Lookup", "hidden"), ("Cache", "veryHidden"))
    assert read(content, "s.xlsx")[1]["sheet"] == "Sheet"
    with pytest.raises(UsageError, match="'Sheet', 'Lookup'"):
        read(book(tmp_path / "b.xlsx", rows_of, ("Lookup", "visible")), "s.xlsx")


def test_formulas_that_no_program_has_computed_are_said_to_be_missing(read, tmp_path):
    def fill(sheet):
        rows_of(sheet)
        sheet["D2"] = "=2+3"
        sheet["A4"], sheet["B4"], sheet["C4"], sheet["D4"] = "C", 500_200, 6_100_300, 9

    got, counts = read(book(tmp_path / "b.xlsx", fill), "s.xlsx")
    assert counts["elements"]["Cu"]["empty"] == 1
    assert np.isnan(got.values["Cu"][0])


def test_dates_and_booleans_in_a_sheet_are_text_that_is_counted(read, tmp_path):
    def fill(sheet):
        rows_of(sheet)
        sheet["D3"] = pd.Timestamp("2020-03-02").to_pydatetime()
        for k, value in enumerate(("C", 500_200, 6_100_300, True), 1):
            sheet.cell(4, k, value)
        for k, value in enumerate(("D", 500_300, 6_100_200, 7), 1):
            sheet.cell(5, k, value)

    _, counts = read(book(tmp_path / "b.xlsx", fill), "s.xlsx")
    assert (counts["elements"]["Cu"]["measured"], counts["elements"]["Cu"]["text"]) == (2, 2)


# ---- layers and rasters


def layer(path, names, encoding=None, **options):
    squares = [corpus_files.SQUARE] * len(names)
    frame = corpus_files.frame(*squares, unit=list(names))
    pyogrio.write_dataframe(frame, path, encoding=encoding, **options)
    return path


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK", "ISO-8859-1"])
def test_names_of_units_in_a_shapefile_are_read_as_its_cpg_says(tmp_path, encoding):
    names = ["Grès", "Schiste"] if encoding == "ISO-8859-1" else ["砂岩", "页岩"]
    path = layer(tmp_path / "g.shp", names, encoding)
    assert path.with_suffix(".cpg").exists()
    got, _ = read_geology(path, GeologySource("g.shp"), CRS)
    assert set(got["unit"]) == set(names)


def test_a_shapefile_without_its_cpg_is_read_whatever_its_letters_become(tmp_path):
    path = layer(tmp_path / "g.shp", ["砂岩", "页岩"], "GBK")
    path.with_suffix(".cpg").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        got, counts = read_geology(path, GeologySource("g.shp"), CRS)
    assert counts["units"] == len(set(got["unit"])) == 2


def test_a_shapefile_whose_projection_is_no_text_is_refused(tmp_path):
    path = layer(tmp_path / "g.shp", ["a"])
    prj = path.with_suffix(".prj")
    prj.write_bytes(prj.read_bytes().replace(b"NAD_1983", b"Gau\xdf"))
    with pytest.raises(DataError, match="a CRS that cannot be read; repair it"):
        read_geology(path, GeologySource("g.shp"), CRS)


def test_geojson_of_a_crs_that_is_not_its_own_lies_where_it_says(tmp_path):
    path = tmp_path / "d.geojson"
    text = """{"type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::%d"}},
        "features": [{"type": "Feature", "properties": {},
                      "geometry": {"type": "Point", "coordinates": [500000, 6100000]}}]}"""
    path.write_text(text % 26910)
    assert read_deposits(path, DepositSource("d"), CRS)[0].coordinates.tolist() == [[500_000, 6_100_000]]
    path.write_text(text % 4326)
    with pytest.raises(DataError, match=r"are no degrees, but EPSG:4326 is in degrees.*set \[deposits\] crs"):
        read_deposits(path, DepositSource("d"), CRS)


def test_parts_of_many_dimensions_are_flattened(tmp_path):
    points = [shapely.Point(500_000, 6_100_000, 12), shapely.MultiPoint([(500_100, 6_100_100, 3)])]
    frame = corpus_files.frame(*points, name=["A", "B"])
    pyogrio.write_dataframe(frame, tmp_path / "d.gpkg", geometry_type="Unknown")
    got, counts = read_deposits(tmp_path / "d.gpkg", DepositSource("d"), CRS)
    assert got.coordinates.tolist() == [[500_000, 6_100_000], [500_100, 6_100_100]]
    assert counts["kept"] == 2


GRID = "ncols 3\nnrows 2\n{}\nNODATA_value -9999\n1 2 3\n4 -9999 6\n"


@pytest.mark.parametrize(
    "head",
    [
        "xllcorner 500000\nyllcorner 6100000\ncellsize 1000",
        "XLLCENTER 500500\nYLLCENTER 6100500\nCELLSIZE 1000",
        "xllcorner 500000\nyllcorner 6100000\ndx 1000\ndy 1000",
    ],
)
def test_an_ascii_grid_by_corner_or_centre(tmp_path, head):
    (tmp_path / "g.asc").write_text(GRID.format(head))
    got, counts = read_raster(tmp_path / "g.asc", RasterSource("g.asc"), CRS)
    assert got.grid.affine.c == 500_000
    assert got.grid.affine.f == 6_102_000
    assert counts["missing"] == 1


def test_an_ascii_grid_of_decimal_commas_is_refused(tmp_path):
    text = GRID.format("xllcorner 500000\nyllcorner 6100000\ncellsize 1000").replace("4 -9999", "4,5 -9999")
    (tmp_path / "g.asc").write_text(text)
    with pytest.raises(DataError, match="holds ',' among its values"):
        read_raster(tmp_path / "g.asc", RasterSource("g.asc"), CRS)


@pytest.mark.parametrize(
    ("part", "name", "said"),
    [
        ("samples", "a.xls", r"ends in '\.xls'; allowed are .*; save it as \.xlsx or \.csv"),
        ("samples", "a.ods", r"save it as \.xlsx or \.csv"),
        ("samples", "a.mdb", r"save it as \.xlsx or \.csv"),
        ("samples", "a.csv.gz", r"save it as \.xlsx or \.csv"),
        ("samples", "a.zip", "unpack it"),
        ("geology", "a.kmz", r"unpack it as a \.zip and give the \.kml inside"),
        ("geology", "a.gpx", "export its layer as GeoPackage"),
        ("geology", "a.dgn", r"export its layer as GeoPackage \(\.gpkg\)"),
        ("geology", "a.mid", r"give the \.mif beside it"),
        ("geology", "a.map", r"give the \.tab beside it"),
        ("geology", "a.dbf", r"save it as \.xlsx"),
        ("geology", "a.shx", r"give the \.shp beside it"),
        ("rasters", "a.ers", r"export it as GeoTIFF \(\.tif\)"),
        ("rasters", "a.nc", "export it as GeoTIFF"),
        ("rasters", "a.grd", "export it as GeoTIFF"),
        ("rasters", "a.jp2", "export it as GeoTIFF"),
        ("rasters", "a.ecw", "export it as GeoTIFF"),
    ],
)
def test_other_formats_are_refused_with_what_to_do(tmp_path, part, name, said):
    path = tmp_path / name.rstrip("/")
    if name.endswith("/"):
        path.mkdir()
    else:
        path.write_bytes(b"\x00" * 64)
    with pytest.raises(UsageError, match=said) as refused:
        {
            "samples": lambda: read_samples(path, SampleSource(name), CRS),
            "geology": lambda: read_geology(path, GeologySource(name), CRS),
            "rasters": lambda: read_raster(path, RasterSource(name), CRS),
        }[part]()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("stored", ["int16", "uint8"])
def test_a_band_of_whole_numbers_keeps_its_scale_and_missing_value(tmp_path, stored):
    values = np.arange(12, dtype=stored).reshape(3, 4)
    place = rasterio.transform.from_origin(500_000, 6_103_000, 1000, 500)
    with rasterio.open(
        tmp_path / "r.tif", "w", height=3, width=4, count=1, dtype=stored, crs=CRS, transform=place, nodata=0
    ) as file:
        file.write(values, 1)
        file.scales, file.offsets = (0.5,), (10.0,)
    got, counts = read_raster(tmp_path / "r.tif", RasterSource("r.tif"), CRS)
    assert counts["missing"] == 1
    np.testing.assert_allclose(got.values[0], [np.nan, 10.5, 11, 11.5])
