"""Reading samples and deposits: what laboratories write, what is made of it, and what is refused."""

import contextlib
import json
import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gossan.errors import DataError, DataWarning, GossanError, MissingFileError, UsageError
from gossan.io import read_deposits, read_samples, write_csv
from gossan.io.cells import RULES, read_cells, replace_censored
from gossan.io.elements import choose_elements, column_name, parse_column
from gossan.io.where import rows_where
from gossan.survey import DepositSource, SampleSource

CRS = "EPSG:26910"


def samples(path, crs=CRS, **options):
    return read_samples(path, SampleSource(path.name, **options), crs)


def deposits(path, crs=CRS, **options):
    return read_deposits(path, DepositSource(path.name, **options), crs)


@pytest.fixture
def write(tmp_path):
    """Write text as a file and return its path."""

    def inner(text, name="samples.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return inner


# ---- names of columns


@pytest.mark.parametrize(
    ("name", "symbol", "unit"),
    [
        ("Cu", "Cu", ""),
        ("Au_ppb", "Au", "ppb"),
        ("Cu_ppm", "Cu", "ppm"),
        ("Fe_pct", "Fe", "pct"),
        ("Fe2O3_pct", "Fe", "pct Fe2O3"),
        ("Fe2O3T_pct", "Fe", "pct Fe2O3"),
        ("Na2O_%", "Na", "pct Na2O"),
        ("Au (ng/g)", "Au", "ppb"),
        ("Au[ppb]", "Au", "ppb"),
        ("As (µg/g)", "As", "ppm"),
        ("W mg/kg", "W", "ppm"),
        ("Au_g/t", "Au", "ppm"),
        ("Pt_ugkg", "Pt", "ppb"),
        ("Ag_ICP_PPB", "Ag", "ppb"),
        ("Si (wt.%)", "Si", "pct"),
        ("CO", "Co", ""),
        ("FE2O3", "Fe", "Fe2O3"),
        ("cu_ppm", "Cu", "ppm"),
        ("Cuppm", "Cu", "ppm"),
        ("В", "B", ""),  # Cyrillic, as in the paper's table
        ("Мо_ppm", "Mo", "ppm"),
        ("Fe₂O₃_pct", "Fe", "pct Fe2O3"),
        ("Cu_ppm.1", "Cu", "ppm"),
    ],
)
def test_element_columns_are_recognised(name, symbol, unit):
    column = parse_column(name)
    assert (column.column, column.symbol, column.measured_in) == (name, symbol, unit)


@pytest.mark.parametrize(
    "name",
    str.split(
        "sample_id lat Lat lon STRAT pH pH_water LABNO YEAR P2O CO2_pct H2O_pct Cu/Zn Si_Q Au_flag u x NO "
        "Total id LOI_pct Cu_Zn in_geology_map"
    ),
)
def test_other_columns_are_not_taken_for_elements(name):
    assert parse_column(name) is None


@given(st.text())
def test_any_text_can_stand_over_a_column(name):
    parse_column(name)


@given(st.sampled_from(["Cu", "Au", "Fe2O3", "U3O8"]), st.sampled_from(["", "ppm", "ppb", "pct"]))
def test_a_written_column_name_is_read_back(species, unit):
    column = parse_column(column_name(species, unit))
    assert parse_column(column_name(column.symbol, column.measured_in)) == column


def test_y_is_yttrium_only_where_it_is_no_coordinate():
    assert [one.symbol for one in choose_elements(["x", "y", "Y", "Cu"], None)] == ["Y", "Cu"]
    assert [one.symbol for one in choose_elements(["X", "Y", "lon", "lat", "Cu"], None)] == ["Cu"]


def test_elements_are_found_by_symbol_oxide_or_column():
    columns = ["Fe_ppm", "Fe2O3_pct", "Cu_ppm", "thing"]
    chosen = choose_elements(columns, ["Fe2O3", "Cu", "thing"])
    assert [(one.column, one.symbol) for one in chosen] == [
        ("Fe2O3_pct", "Fe"),
        ("Cu_ppm", "Cu"),
        ("thing", "thing"),
    ]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["Zn"], "'Zn', which no column holds"),
        (["Cu_pp"], "close ones are 'Cu_ppm'"),
        (["Fe_ppm", "Fe2O3_pct"], "several columns for one element: Fe"),
        ([], "no element column is recognised"),
    ],
)
def test_elements_that_are_missing_or_named_twice_are_refused(wanted, said):
    with pytest.raises(UsageError, match=said):
        choose_elements(["Fe_ppm", "Fe2O3_pct", "Cu_ppm"], wanted)


# ---- cells


@pytest.mark.parametrize(
    ("cell", "value", "rule"),
    [
        ("0.5", 0.5, "measured"),
        (" 1e3 ", 1000, "measured"),
        ("<0.5", 0.5, "below"),
        ("< 0.5", 0.5, "below"),
        ("≤0.5", 0.5, "below"),
        ("＜０.５", 0.5, "below"),
        ("-0.5", 0.5, "below"),
        ("<LOD", np.nan, "below_unknown_limit"),
        ("bdl", np.nan, "below_unknown_limit"),
        ("ND", np.nan, "below_unknown_limit"),
        (">10000", 10000, "above"),
        ("-9999", np.nan, "sentinel"),
        ("-999.0", np.nan, "sentinel"),
        ("-99", np.nan, "sentinel"),
        ("", np.nan, "empty"),
        ("  ", np.nan, "empty"),
        ("N/A", np.nan, "empty"),
        ("0,5", 0.5, "measured"),
        ("<0,5", 0.5, "below"),
        ("1,234", np.nan, "text"),
        ("rock", np.nan, "text"),
        ("<-5", np.nan, "text"),
        ("inf", np.nan, "text"),
        ("1e999", np.nan, "text"),
    ],
)
def test_each_kind_of_cell_is_understood(cell, value, rule):
    values, code = read_cells(pd.Series([cell], dtype=object))
    assert RULES[code[0]] == rule
    np.testing.assert_array_equal(values, [value])


def test_a_comma_beside_decimal_points_is_not_guessed_at():
    values, code = read_cells(pd.Series(["1.5", "2,5"], dtype=object))
    assert [RULES[one] for one in code] == ["measured", "text"]
    np.testing.assert_array_equal(values, [1.5, np.nan])


def test_a_comma_is_the_decimal_sign_where_the_file_says_so():
    values, _ = read_cells(pd.Series(["1,234"], dtype=object), comma=True)
    assert values.tolist() == [1.234]


@pytest.mark.parametrize(
    ("rule", "value"), [("half", 2.0), ("sqrt2", 4 / 2**0.5), ("limit", 4.0), ("drop", np.nan)]
)
def test_censored_values_are_replaced_as_the_rule_says(rule, value):
    values, code = read_cells(pd.Series(["<4", "-4", ">9", "0", "8"], dtype=object))
    counts = replace_censored(values, code, rule, positive=True)
    np.testing.assert_allclose(values, [value, value, 9, np.nan, 8])
    assert counts == {"measured": 1, "below": 2, "above": 1, "zero": 1}


def test_zero_stays_where_no_logarithm_is_taken():
    values, code = read_cells(pd.Series([0.0, 1.0, np.nan]))
    counts = replace_censored(values, code, "half", positive=False)
    np.testing.assert_array_equal(values, [0, 1, np.nan])
    assert counts == {"measured": 2, "empty": 1}


@given(st.lists(st.text(max_size=8) | st.from_regex(r"\A[<>]? ?-?\d*[.,]?\d*(e\d+)?\Z"), max_size=8))
def test_any_text_in_cells_is_read_as_a_number_or_counted(cells):
    values, code = read_cells(pd.Series(cells, dtype=object))
    counts = replace_censored(values, code, "half", positive=True)
    assert sum(counts.values()) == len(cells)
    finite = np.isfinite(values)
    assert (values[finite] > 0).all()
    assert not np.isinf(values).any()
    assert counts["measured"] == (finite & (code == 0)).sum()


# ---- tables


DIRTY = """id,x,y,Cu_ppm,Au_ppb,Re_ppm,pH
a,500000,6100000,10,<1,,6.5
b,500100,6100000,<4,2,,6.5
c,500200,6100000,>90,-3,-9999,7
d,,6100000,5,5,,7
e,0,0,5,5,,7
f,500300,6100100,bdl,0,,7
g,500300,6100100,rock,7,,7
"""


def test_a_dirty_table_is_read_and_every_replacement_counted(write):
    with pytest.warns(DataWarning) as heard:
        got, counts = samples(write(DIRTY))
    assert [str(one.message) for one in heard] == [
        "samples: dropped rows with coordinates 1 missing or no numbers, 1 at zero",
        "samples: Re left out (without any value)",
        "samples: Cu 33 % below detection, Au 50 % below detection",
        "samples: taken as missing: Cu has 1 cells of other text",
    ]
    np.testing.assert_array_equal(got.coordinates[:, 0], [500000, 500100, 500200, 500300, 500300])
    np.testing.assert_array_equal(got.values["Cu"], [10, 2, 90, np.nan, np.nan])
    np.testing.assert_array_equal(got.values["Au"], [0.5, 2, 1.5, np.nan, 7])
    assert got.units == {"Cu": "ppm", "Au": "ppb"}
    assert (counts["rows"], counts["kept"], counts["coincident"]) == (7, 5, 1)
    assert counts["dropped"] == {"missing or no numbers": 1, "at zero": 1, "outside the CRS": 0}
    assert counts["elements"]["Cu"] == {
        "column": "Cu_ppm",
        "unit": "ppm",
        **dict.fromkeys(("measured", "below", "below_unknown_limit", "above", "text"), 1),
    }
    assert counts["elements"]["Au"]["zero"] == 1
    assert counts["left_out"] == {"Re": "without any value"}
    assert counts["ignored"] == ["id", "pH"]
    json.dumps(counts)


PLAIN = "x;y;Cu_ppm;Bemerkung\n500000,5;6100000;1,250;größer\n500001,5;6100000;2,125;klein\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_separators_decimal_commas_and_encodings_are_found(write, encoding, separator):
    got, counts = samples(write(PLAIN.replace(";", separator), encoding=encoding))
    np.testing.assert_array_equal(got.coordinates[:, 0], [500000.5, 500001.5])
    assert got.values["Cu"].tolist() == [1.25, 2.125]
    assert counts["ignored"] == ["Bemerkung"]


def test_chinese_text_in_gbk_is_read(write):
    path = write("编号,x,y,Cu\n金山,500000,6100000,1\n三叠系,500001,6100000,2\n", encoding="gbk")
    _, counts = samples(path)
    assert counts["ignored"] == ["编号"]
    assert counts["encoding"] == "gb18030"


def test_accents_in_latin_1_are_not_taken_for_chinese(write):
    path = write("site,x,y,Cu\nQuébec,500000,6100000,1\n", encoding="latin-1")
    got, _ = deposits(path.rename(path.with_name("d.csv")))
    assert got.names == ("deposit 1",)
    path = write("name,x,y\nQuébec,500000,6100000\n", encoding="latin-1")
    assert deposits(path)[0].names == ("Québec",)


TABLE = pd.DataFrame(
    {
        "x": 5e5 + 10.0 * np.arange(4),
        "y": [6.1e6] * 4,
        "Cu_ppm": ["<2", "3.5", "4", "5"],
        "Zn_ppm": ["1", "2", "3", "4"],
    }
)


@pytest.mark.parametrize("ending", ["csv", "tsv", "xlsx", "gpkg", "geojson", "shp"])
def test_every_format_gives_the_same_samples(tmp_path, ending):
    path = tmp_path / f"samples.{ending}"
    if ending in ("csv", "tsv"):
        TABLE.to_csv(path, index=False, sep="," if ending == "csv" else "\t")
    elif ending == "xlsx":
        TABLE.to_excel(path, index=False)
    else:
        points = gpd.points_from_xy(TABLE["x"], TABLE["y"], crs=CRS)
        gpd.GeoDataFrame(TABLE[["Cu_ppm", "Zn_ppm"]], geometry=points).to_file(path)
    got, counts = samples(path)
    np.testing.assert_allclose(got.coordinates, TABLE[["x", "y"]])
    assert got.values.to_dict("list") == {"Cu": [1.0, 3.5, 4.0, 5.0], "Zn": [1.0, 2.0, 3.0, 4.0]}
    assert counts["kept"] == 4


def test_a_workbook_of_several_sheets_needs_a_name(tmp_path):
    path = tmp_path / "lab.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"note": ["read me"]}).to_excel(book, sheet_name="Info", index=False)
        TABLE.to_excel(book, sheet_name="Data", index=False)
    with pytest.raises(UsageError, match=r"sheet is not given; lab.xlsx has 'Info', 'Data'"):
        samples(path)
    assert len(samples(path, sheet="Data")[0]) == 4


def test_degrees_are_reprojected_to_the_project(write):
    import pyproj

    path = write("lon,lat,Cu_ppm,Zn\n-123.0,55.0,1,1\n-122.5,55.1,2,2\n")
    got, counts = samples(path)
    expected = pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform(-123.0, 55.0)
    np.testing.assert_allclose(got.coordinates[0], expected)
    assert (counts["crs"], counts["crs_from"]) == ("EPSG:4326", "names of the coordinate columns")


def test_degrees_under_plain_names_are_refused_unless_the_crs_says_so(write):
    path = write("x,y,Cu\n-123.0,55.0,1\n-122.5,55.1,2\n")
    with pytest.raises(DataError, match="like degrees"):
        samples(path)
    got, _ = read_samples(path, SampleSource("s", crs="EPSG:4326"), CRS)
    assert got.coordinates[0, 1] > 6e6


def test_coordinates_the_projection_has_no_place_for_are_dropped(write):
    path = write("lon,lat,Cu\n-123,55,1\n-123,95,2\n-122,55,3\n")
    with pytest.warns(DataWarning, match="1 outside the CRS"):
        got, counts = samples(path)
    assert counts["dropped"]["outside the CRS"] == 1
    assert got.values["Cu"].tolist() == [1, 3]


def test_samples_outside_the_area_are_kept_and_counted(write):
    path = write("x,y,Cu\n500000,6100000,1\n600000,6100000,2\n")
    area = gpd.GeoDataFrame(geometry=[shapely.box(499000, 6.0e6, 501000, 6.2e6)], crs=CRS)
    got, counts = read_samples(path, SampleSource("s"), CRS, area=area)
    assert (len(got), counts["outside_area"]) == (2, 1)


@pytest.mark.parametrize(
    ("text", "options", "error", "said"),
    [
        ("x,y,Cu\n500000,6100000,1\n500001,6100000,1\n", {}, DataError, r"element Cu .* is constant"),
        (
            "x,y,Cu,Au\n500000,6100000,1,\n500001,6100000,2,\n",
            {"elements": ("Au",)},
            DataError,
            "without any value",
        ),
        ("x,y,Cu\n", {}, DataError, "no usable row of 0"),
        ("x,y,Cu\na,b,1\n", {}, DataError, "no usable row of 1"),
        ("", {}, DataError, "is no table"),
        ("x,y,Cu\n1,2,3,4\n", {}, DataError, "more fields"),
        ("x,y,id\n500000,6100000,1\n", {}, UsageError, "no element column is recognised"),
        ("a,b,Cu\n1,2,3\n", {}, UsageError, "no coordinate columns"),
        ("x,y,Cu\n1,2,3\n", {"x": "xx", "y": "y"}, UsageError, "x = 'xx' is no column"),
        ("x,y,Cu\n1,2,3\n", {"x": "x"}, UsageError, "only one of x and y"),
        ("x,y,Cu\n1,2,3\n", {"crs": "EPSG:0"}, UsageError, "is no CRS"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(write, text, options, error, said):
    with pytest.raises(error, match=said) as caught:
        read_samples(write(text), SampleSource("samples.csv", **options), CRS)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_unknown_ending_are_refused(tmp_path, write):
    with pytest.raises(MissingFileError, match=r"samples file .*no.csv does not exist"):
        samples(tmp_path / "no.csv")
    with pytest.raises(UsageError, match=r"allowed are .csv"):
        samples(write("", name="a.pdf"))
    with pytest.raises(DataError, match="is no workbook"):
        samples(write("x", name="a.xlsx"))
    with pytest.raises(DataError, match="cannot be read"):
        samples(write("x", name="a.gpkg"))


def test_an_element_below_detection_throughout_is_left_out_not_refused(write):
    path = write("x,y,Cu,Re\n500000,6100000,1,-0.1\n500001,6100000,2,-0.1\n")
    with pytest.warns(DataWarning, match=r"Re left out \(constant\)"):
        got, counts = samples(path)
    assert list(got.values) == ["Cu"]
    assert counts["left_out"] == {"Re": "constant"}


NUMBERS = st.floats(1e-6, 1e6, allow_nan=False)


@pytest.mark.filterwarnings("ignore:.*wrong unit perhaps:gossan.errors.DataWarning")
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS | st.just(np.nan)), min_size=3, max_size=8))
def test_what_is_written_is_read_back_exactly(tmp_path_factory, rows):
    table = pd.DataFrame(rows, columns=["Cu_ppm", "Au_ppb"])
    table.loc[len(table)] = [1.5, 2.5]
    table.loc[len(table)] = [3.5, 4.5]
    table.insert(0, "x", 5e5 + np.arange(len(table)) / 7)
    table.insert(1, "y", 6.1e6 - np.arange(len(table)) / 3)
    path = tmp_path_factory.mktemp("t") / "s.csv"
    write_csv(path, table)
    got, _ = samples(path)
    np.testing.assert_array_equal(got.coordinates, table[["x", "y"]])
    np.testing.assert_array_equal(got.values, table[["Cu_ppm", "Au_ppb"]])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='xyCu,;\t\n"0123456789.-<e\r', max_size=80).map(str.encode))
def test_random_bytes_end_in_samples_or_in_an_error_of_ours(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("t") / "s.csv"
    path.write_bytes(b"x,y,Cu\n" + content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        for reader in (samples, deposits):
            with contextlib.suppress(GossanError):
                reader(path)
        path.write_bytes(content)
        with contextlib.suppress(GossanError):
            samples(path)


# ---- deposits


ORE = """name,x,y,type,is_Cu,camp
A,500000,6100000,VMS,1,north
,500100,6100000,SEDEX,0,
C,500200,6100000,VMS,0,north
"""


def test_deposits_have_names_and_camps(write):
    got, counts = deposits(write(ORE), camp="Camp")
    assert got.names == ("A", "deposit 2", "C")
    assert got.camp == ("north", "deposit 2", "north")
    assert (counts["rows"], counts["kept"], counts["name"]) == (3, 3, "name")


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("is_Cu == 1", [0]),
        ("is_Cu = 1", [0]),
        ("IS_CU < 1", [1, 2]),
        ("type = 'VMS'", [0, 2]),
        ('type != "VMS"', [1]),
        ("type = VMS and is_Cu = 0", [2]),
        ("type in ('VMS', SEDEX) AND x >= 500100", [1, 2]),
        ("type in [SEDEX]", [1]),
        ("`type` = VMS and name = 'A and B'", []),
    ],
)
def test_where_chooses_rows(where, kept):
    table = pd.read_csv(pd.io.common.StringIO(ORE), dtype=str, na_filter=False)
    assert np.flatnonzero(rows_where(where, table)).tolist() == kept


@pytest.mark.parametrize(
    "where",
    [
        *(
            "",
            "type",
            "type =",
            "= 1",
            "type = 'VMS",
            "type = a b",
            "type in VMS",
            "type in ()",
            "type in (,)",
        ),
        *("and", "type = VMS and", "type = VMS or is_Cu = 1", "__import__('os')", "type < VMS"),
        *("nothing = 1", "type in (a b)"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused(where):
    table = pd.read_csv(pd.io.common.StringIO(ORE), dtype=str, na_filter=False)
    with pytest.raises(UsageError, match="where"):
        rows_where(where, table)


@given(st.text(alphabet="type is_Cu=<>!'\"`()[],and1 \n\t", max_size=30))
def test_any_text_as_a_condition_ends_in_rows_or_in_a_usage_error(where):
    table = pd.DataFrame({"type": ["VMS"], "is_Cu": [1]})
    with contextlib.suppress(UsageError):
        assert rows_where(where, table).shape == (1,)


def test_a_condition_that_holds_for_nothing_and_a_missing_camp_are_refused(write):
    with pytest.raises(DataError, match="holds for none of 3 deposits"):
        deposits(write(ORE), where="type = Skarn")
    with pytest.raises(UsageError, match=r"\[deposits\] camp = 'region' is no column"):
        deposits(write(ORE), camp="region")


def test_points_of_a_layer_without_geometry_or_crs_are_counted(tmp_path):
    path = tmp_path / "ore.shp"
    frame = gpd.GeoDataFrame({"name": ["a", "b"]}, geometry=[shapely.Point(5e5, 6.1e6), None])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        frame.to_file(path)
    with pytest.warns(DataWarning, match="1 missing"):
        got, counts = deposits(path)
    assert (got.names, counts["crs_from"]) == (("a",), "assumed to be the project's")


def test_a_file_in_another_crs_is_moved(tmp_path):
    path = tmp_path / "ore.gpkg"
    gpd.GeoDataFrame({"name": ["a"]}, geometry=[shapely.Point(-123, 55)], crs="EPSG:4326").to_file(path)
    got, counts = deposits(path)
    assert counts["crs_from"] == "file"
    assert np.round(got.coordinates).tolist() == [[500000.0, 6094791.0]]
