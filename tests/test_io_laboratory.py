"""What laboratories send: headers of several rows, signs beside numbers, control samples, odd coordinates."""

import warnings

import numpy as np
import pandas as pd
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirty import within
from gossan.abundance import element_share, ppm_factor
from gossan.errors import DataError, DataWarning, UsageError
from gossan.io import read_samples
from gossan.io.cells import RULES, Growing, gather, interpret, read_cells, settle
from gossan.io.chemistry import common_unit
from gossan.io.degrees import read_degrees
from gossan.io.elements import parse_column, parse_unit, qualified_by
from gossan.io.rows import media_of, quality_rows
from gossan.survey import SampleSource

CRS = "EPSG:26910"
SPOTS = ["500000,6100000", "500100,6100000", "500200,6100100", "500300,6100200"]


@pytest.fixture
def read(tmp_path):
    """Read text as a table of samples, warnings left aside."""

    def inner(text, name="samples.csv", encoding="utf-8", crs=CRS, **options):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            return read_samples(path, SampleSource(name, **options), crs)

    return inner


def table(head, *cells, spots=SPOTS):
    """Text with two coordinate columns before what is given: one tuple of cells a row."""
    rows = [f"{spot},{','.join(row)}" for spot, row in zip(spots, cells, strict=False)]
    return "\n".join([f"x,y,{head}", *rows]) + "\n"


# ---- cells


@pytest.mark.parametrize(
    ("cell", "value", "rule"),
    [
        ("0.5L", 0.5, "below"),
        ("5 N", 5, "below"),
        ("0.5<", 0.5, "below"),
        ("<=2", 2, "below"),
        ("<\u00a00.5", 0.5, "below"),
        ("\u22120.5", 0.5, "below"),
        ("10000G", 10000, "above"),
        ("10000+", 10000, "above"),
        (">=5", 5, "above"),
        ("<DL", np.nan, "below_unknown_limit"),
        ("not detected", np.nan, "below_unknown_limit"),
        ("< LOD", np.nan, "below_unknown_limit"),
        ("OL", np.nan, "above_unknown_limit"),
        (">UOL", np.nan, "above_unknown_limit"),
        ("LNR", np.nan, "empty"),
        ("insufficient sample", np.nan, "empty"),
        ("#DIV/0!", np.nan, "empty"),
        ("True", np.nan, "text"),
        ("12 ppm", np.nan, "text"),
        ("1 000", np.nan, "text"),
        ("1.2.3", np.nan, "text"),
        ("<0.5>", np.nan, "text"),
        ("0x1F", np.nan, "text"),
        ("1_000", np.nan, "text"),
    ],
)
def test_each_form_of_a_limit_is_understood(cell, value, rule):
    values, code = read_cells(pd.Series([cell], dtype=object))
    assert RULES[code[0]] == rule
    np.testing.assert_array_equal(values, [value])


CELLS = st.sampled_from(
    ["1", "2.5", "<0.5", "0,5", "", "-9999", "bdl", "-3", "rock", ">9", "1,234", "<0,1", "1.234", "1.234,5"]
)


@given(st.lists(st.lists(CELLS, max_size=6), min_size=1, max_size=5), st.booleans())
def test_blocks_joined_read_as_the_whole(blocks, comma):
    def joined(**how):
        column = Growing(sum(map(len, blocks)))
        for block in blocks:
            column.add(gather(pd.Series(block, dtype=object), known=column.forms, **how))
        return {"Cu": column.done()}

    try:
        column = settle(joined(comma=comma), lambda styles: joined(parted=styles["Cu"] == ","), comma=comma)
    except DataError:
        with pytest.raises(DataError, match="thousands or decimals"):
            read_cells(pd.Series([cell for block in blocks for cell in block], dtype=object), comma=comma)
        return
    values, code = interpret(column[0]["Cu"])
    whole = pd.Series([cell for block in blocks for cell in block], dtype=object)
    expected, rules = read_cells(whole, comma=comma)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(code, rules)


@given(st.lists(CELLS, max_size=12), st.data())
def test_rows_taken_from_a_column_read_as_before(cells, data):
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells))), dtype=bool)
    column = gather(pd.Series(cells, dtype=object))
    expected = [part[keep] for part in interpret(gather(pd.Series(cells, dtype=object)))]
    for got, wanted in zip(interpret(column.take(keep)), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


# ---- units


def test_one_unit_an_element_and_the_element_not_its_oxide(read):
    rows = [("1000", "0.002", "10000", "1", "30"), ("2000", "0.004", "20000", "2", "60")]
    got, counts = read(table("Cu_ppb,Au (ppm),Fe_ppm,MnO_pct,Zn", *rows))
    assert got.units == {"Cu": "ppm", "Au": "ppb", "Fe": "pct", "Mn": "ppm", "Zn": ""}
    np.testing.assert_allclose(got.values["Cu"], [1, 2])
    np.testing.assert_allclose(got.values["Au"], [2, 4])
    np.testing.assert_allclose(got.values["Fe"], [1, 2])
    np.testing.assert_allclose(got.values["Mn"], np.array([1e4, 2e4]) * 54.938 / 70.937)
    assert counts["elements"]["Mn"]["file_unit"] == "pct MnO"
    assert "factor" not in counts["elements"]["Zn"]


@given(st.sampled_from(["Cu", "Au", "Fe", "Te"]), st.sampled_from(["ppt", "ppb", "ppm", "pct"]))
def test_an_amount_is_the_same_in_the_units_it_is_brought_to(element, unit):
    kept, factor = common_unit(element, unit)
    assert ppm_factor(kept) * factor == pytest.approx(ppm_factor(unit), rel=1e-12)
    _, of_oxide = common_unit("Fe", unit, "Fe2O3")
    assert of_oxide / common_unit("Fe", unit)[1] == pytest.approx(0.69944, abs=1e-5)


def test_a_median_far_from_the_crust_is_told_with_its_factor_and_not_changed(tmp_path):
    path = tmp_path / "s.csv"
    lines = [f"{5e5 + n},6100000,{20_000 + n},{20 + n}" for n in range(20)]
    path.write_text("\n".join(["x,y,Cu_ppm,Pb_ppm", *lines]))
    with pytest.warns(DataWarning, match=r"upper crust's, a wrong unit perhaps: Cu 715 times 28 ppm"):
        got, counts = read_samples(path, SampleSource("s"), CRS)
    assert got.values["Cu"].iloc[0] == 20_000
    assert counts["suspect_units"] == {"Cu": {"median": 20_009.5, "crust_ppm": 28, "factor": 20_009.5 / 28}}


def test_more_than_the_whole_is_no_value(read):
    got, counts = read(table("Cu_ppm,Fe_pct", ("1e31", "101"), ("5", "3"), ("9999999", "100"), ("6", "4")))
    assert counts["elements"]["Cu"]["over_100_pct"] == 2
    assert counts["elements"]["Fe"]["over_100_pct"] == 1
    np.testing.assert_array_equal(got.values["Fe"], [np.nan, 3, 100, 4])


@pytest.mark.parametrize(
    ("text", "unit"),
    [("ppm", "ppm"), ("mg/kg", "ppm"), ("(ng/g)", "ppb"), ("wt.%", "pct"), ("\u00b5g/g", "ppm"), ("Cu", "")],
)
def test_units_are_read_in_every_spelling(text, unit):
    assert parse_unit(text) == unit


@pytest.mark.parametrize(
    ("name", "symbol", "unit"),
    [
        ("Cu_ICP", "Cu", ""),
        ("Au_FA ppb", "Au", "ppb"),
        ("Cu_ME-MS61_ppm", "Cu", "ppm"),
        ("Au-AA25", "Au", ""),
        ("As_aquaregia_ppm", "As", "ppm"),
        ("ZN_XRF", "Zn", ""),
    ],
)
def test_methods_behind_the_symbol_are_passed_over(name, symbol, unit):
    column = parse_column(name)
    assert (column.symbol, column.unit) == (symbol, unit)


# ---- several columns for one element


def test_of_several_columns_the_one_with_the_most_values_is_used_and_told(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(table("Fe_pct,Fe2O3_pct,Cu", ("", "3", "1"), ("2", "4", "2"), ("", "5", "3")))
    with pytest.warns(DataWarning, match="the most values is used: Fe2O3_pct not Fe_pct"):
        got, counts = read_samples(path, SampleSource("s"), CRS)
    assert counts["alternatives"] == {"Fe": ["Fe_pct"]}
    np.testing.assert_allclose(got.values["Fe"], np.array([3, 4, 5]) * element_share("Fe2O3"))


def test_alike_filled_the_less_censored_then_the_element_itself_is_used(read):
    _, counts = read(table("Au_ICP_ppb,Au_FA_ppb", ("<5", "1"), ("7", "2")))
    assert counts["elements"]["Au"]["column"] == "Au_FA_ppb"
    _, counts = read(table("Fe2O3_pct,Fe_pct", ("5", "1"), ("7", "2")))
    assert counts["elements"]["Fe"]["column"] == "Fe_pct"


def test_a_column_named_in_the_settings_is_used_whatever_the_others_hold(read):
    text = table("Fe_pct,Fe2O3_pct", ("1", "3"), ("2", "4"), ("", "5"))
    _, counts = read(text, elements=("Fe_pct",))
    assert counts["elements"]["Fe"]["column"] == "Fe_pct"
    assert counts["alternatives"] == {}


# ---- headers


UNITS_ROW = "Sample,X,Y,Cu,Au,Fe\n,,,ppm,ppb,%\n"
LIMITS_ROW = "Detection limit,,,0.5,1,0.01\n"
ROWS = "A,500000,6100000,10,<1,3\nB,500100,6100000,bdl,5,4\nC,500200,6100000,7,ND,5\n"


@pytest.mark.parametrize("method", ["", "Method,,,ICP-MS,FA,XRF\n"])
@pytest.mark.parametrize("above", ["", "Certificate of analysis\n\nClient: someone, somewhere\n"])
def test_rows_of_units_limits_and_methods_are_no_samples(read, above, method):
    got, counts = read(above + UNITS_ROW + LIMITS_ROW + method + ROWS)
    assert got.units == {"Cu": "ppm", "Au": "ppb", "Fe": "pct"}
    assert counts["header"] == {"lines_above": above.count("\n"), "rows_below": 2 + bool(method)}
    assert counts["rows"] == 3
    # a cell that only says "below" takes the limit of the row of limits
    assert got.values["Cu"].tolist() == [10, 0.25, 7]
    assert got.values["Au"].tolist() == [0.5, 5, 0.5]


def test_a_first_sample_without_coordinates_is_a_sample(read):
    _, counts = read("id,x,y,Cu\nA,,,5\nB,500000,6100000,1\nC,500001,6100000,2\n")
    assert (counts["rows"], counts["kept"], counts["dropped"]["missing or no numbers"]) == (3, 2, 1)
    assert "header" not in counts


def test_a_workbook_with_a_title_units_and_limits(tmp_path):
    path = tmp_path / "lab.xlsx"
    lines = ("Certificate 42,,,,,\n" + UNITS_ROW + LIMITS_ROW + ROWS).splitlines()
    rows = [line.split(",") for line in lines]
    pd.DataFrame(rows).to_excel(path, index=False, header=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        got, counts = read_samples(path, SampleSource("s"), CRS)
    assert got.values["Cu"].tolist() == [10, 0.25, 7]
    assert counts["header"] == {"lines_above": 1, "rows_below": 2}


def test_a_header_that_names_a_column_twice_gives_two_columns(read):
    _, counts = read(table("Cu_ppm,Cu_ppm", ("1", "1"), ("2", ""), ("3", "3")))
    assert counts["alternatives"] == {"Cu": ["Cu_ppm.1"]}


def test_rows_cut_short_are_counted(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("x,y,Cu,Zn\n500000,6100000,1,5\n500001,6100000,2,6\n500002,61000")
    with pytest.warns(DataWarning, match="1 rows have fewer fields than the header"):
        _, counts = read_samples(path, SampleSource("s"), CRS)
    assert counts["short_rows"] == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gbk", "latin-1", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(read, encoding, ends):
    word = {"gbk": "花岗岩", "latin-1": "größer", "cp1252": "50–60"}.get(encoding, "µ花")
    text = table("Cu_ppm,note", ("1", word), ("2", word)).replace("\n", ends)
    got, counts = read(text, encoding=encoding)
    assert got.values["Cu"].tolist() == [1, 2]
    assert counts["ignored"] == ["note"]
    assert "short_rows" not in counts


def test_quoted_fields_may_hold_separators_and_line_ends(read):
    got, counts = read('note,x,y,Cu\n"a, b",500000,6100000,1\n"two\nlines",500001,6100000,2\n')
    assert got.values["Cu"].tolist() == [1, 2]
    assert "short_rows" not in counts


# ---- columns of signs


def test_a_sign_in_the_column_beside_makes_a_limit(tmp_path):
    path = tmp_path / "s.csv"
    head = "Cu_ppm,Cu_Q,Au_ppb,Au_flag,Si_Q"
    path.write_text(
        table(head, ("4", "<", "9", "G", ""), ("4", "", "2", "J", ""), ("6", "U", "3", "odd", ""))
    )
    with pytest.warns(DataWarning) as heard:
        got, counts = read_samples(path, SampleSource("s"), CRS)
    assert any("qualifiers not understood: 1 'odd'" in str(each.message) for each in heard)
    assert got.values["Cu"].tolist() == [2, 4, 3]
    assert (counts["elements"]["Cu"]["below"], counts["elements"]["Au"]["above"]) == (2, 1)
    assert counts["qualifiers"] == {"columns": {"Cu_ppm": "Cu_Q", "Au_ppb": "Au_flag"}, "unknown": {"odd": 1}}
    assert counts["ignored"] == ["Si_Q"]


def test_signs_are_matched_by_column_or_by_element():
    columns = [parse_column(name) for name in ("Si_ppm", "Au_ppb", "Fe2O3_pct")]
    found = qualified_by(["Si_ppm_qualifier", "Au_Q", "Fe_Q", "Fe2O3 flag", "Q"], columns)
    assert found == {"Si_ppm": "Si_ppm_qualifier", "Au_ppb": "Au_Q", "Fe2O3_pct": "Fe2O3 flag"}


# ---- rows that are no sample, and media


def test_standards_blanks_and_duplicates_are_dropped_and_counted(tmp_path):
    path = tmp_path / "s.csv"
    kinds = ["", "STD", "BLK", "Field duplicate", "Sample", "OREAS 45d"]
    spots = [f"{500_000 + n},6100000" for n in range(5)] + [","]
    path.write_text(table("Cu,QC_Type", *[(str(n), kind) for n, kind in enumerate(kinds, 1)], spots=spots))
    with pytest.warns(DataWarning, match="2 standards, 1 blanks, 1 duplicates"):
        got, counts = read_samples(path, SampleSource("s"), CRS)
    assert got.values["Cu"].tolist() == [1, 5]
    # a standard without a place is a standard, not a sample without coordinates
    assert counts["dropped"] == {
        "missing or no numbers": 0, "at zero": 0, "outside the CRS": 0,
        "standards": 2, "blanks": 1, "duplicates": 1,
    }  # fmt: skip
    assert counts["kept"] + sum(counts["dropped"].values()) == counts["rows"]


def test_names_of_samples_are_not_looked_at_for_roles():
    cells = pd.DataFrame({"sample_id": ["STD", "BLK"], "locality": ["dup", "blank"]})
    assert quality_rows(cells) == {}
    assert media_of(cells) is None


def test_mixed_media_are_told_and_can_be_chosen(tmp_path, read):
    text = table("Cu,Sample_Type", ("1", "Soil"), ("2", "ROCK"), ("3", "Soil"), ("4", "Stream sediment"))
    path = tmp_path / "s.csv"
    path.write_text(text)
    said = r"several media in column 'Sample_Type' \(2 Soil, 1 ROCK, 1 Stream sediment\).*where"
    with pytest.warns(DataWarning, match=said):
        _, counts = read_samples(path, SampleSource("s"), CRS)
    assert counts["media"]["rows"] == {"Soil": 2, "ROCK": 1, "Stream sediment": 1}
    got, counts = read(text, where="Sample_Type = Soil")
    assert got.values["Cu"].tolist() == [1, 3]
    assert counts["dropped"]["where"] == 2
    with pytest.raises(UsageError, match="where"):
        read(text, where="nothing = 1")


# ---- coordinates


@pytest.mark.parametrize(
    ("x", "y", "crs", "said"),
    [
        (-123.0, 55.0, CRS, "like degrees"),
        (421.63, 2416.85, "EPSG:32648", r"kilometres; metres are needed; set \[samples\] crs = '\+proj=utm"),
        (6_100_000, 500_000, CRS, r"exchanged; easting comes first; exchange \[samples\] x and y"),
    ],
)
def test_coordinates_that_make_sense_only_otherwise_are_refused(read, x, y, crs, said):
    text = f"x,y,Cu\n{x},{y},1\n{x + 0.01},{y},2\n{x},{y + 0.01},3\n"
    with pytest.raises(DataError, match=said) as caught:
        read(text, crs=crs)
    assert "\n" not in str(caught.value)


def test_kilometres_are_read_when_the_settings_say_so(tmp_path):
    path = tmp_path / "km.csv"
    path.write_text("x,y,Cu\n421.63,2416.85,1\n421.64,2416.85,2\n")
    with pytest.raises(DataError) as caught:
        read_samples(path, SampleSource("s"), "EPSG:32648")
    advice = str(caught.value).rpartition("crs = '")[2].rstrip("'")
    got, _ = read_samples(path, SampleSource("s", crs=advice), "EPSG:32648")
    np.testing.assert_allclose(got.coordinates[0], [421_630, 2_416_850], atol=1e-3)


def test_degrees_exchanged_are_refused(read):
    with pytest.raises(DataError, match="exchanged"):
        read("lon,lat,Cu\n55.0,-123.0,1\n55.1,-123.1,2\n")


def test_coordinates_west_of_their_zone_are_taken_as_they_are(read):
    got, counts = read("x,y,Cu\n-20000,6100000,1\n46000,6100000,2\n")
    assert counts["negative_easting"] == 1
    assert got.coordinates[0, 0] == -20_000


def test_repeated_places_are_kept_and_counted(read):
    _, counts = read(table("Cu", ("1",), ("2",), ("3",), spots=[SPOTS[0], SPOTS[0], SPOTS[1]]))
    assert (counts["coincident"], counts["repeated"], counts["kept"]) == (1, 2, 3)


def test_impossible_ph_is_counted(read):
    _, counts = read(table("Cu,pH_water", ("1", "0.1"), ("2", "7"), ("3", "14.5"), ("4", "")))
    assert counts["impossible"] == {"pH_water": {"rows": 2, "allowed": [0.5, 13.0]}}


def test_an_element_with_hardly_a_value_is_left_out_unless_asked_for(read):
    rows = [(str(n), "7" if n == 0 else "") for n in range(200)]
    text = table("Cu,B", *rows, spots=[f"{500_000 + n},6100000" for n in range(200)])
    got, counts = read(text)
    assert list(got.values) == ["Cu"]
    assert counts["left_out"] == {"B": "values in only 1 of 200 rows"}
    with pytest.raises(DataError, match=r"B .* is constant"):
        read(text, elements=("Cu", "B"))


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_blocks_of_any_length_give_the_same_samples(read, monkeypatch, rows):
    text = "id,x,y,Cu,Au,QC\n,,,ppm,ppb,\n" + "".join(
        f"S{n},{500_000 + n},6100000,{cell},{n},{'STD' if n == 4 else ''}\n"
        for n, cell in enumerate(["1", "<2", "rock", "-9999", "5", "bdl", ">6", "", "7.5"])
    )
    expected, counts = read(text)
    monkeypatch.setattr("gossan.io.text._ROWS", rows)
    got, same = read(text)
    pd.testing.assert_frame_equal(got.values, expected.values)
    np.testing.assert_array_equal(got.coordinates, expected.coordinates)
    assert same == counts


def test_the_survey_of_a_sample_is_read_from_its_column(read):
    got, counts = read(table("Cu,year", ("1", "1978"), ("2", ""), ("3", "1987")))
    assert got.survey == ("1978", "", "1987")
    assert counts["survey"] == "year"


# ---- degrees, minutes and seconds


@given(
    st.floats(0, 179.99),
    st.sampled_from("ew"),
    st.sampled_from(
        [
            "{d}°{m}'{s}\"{h}",
            "{h} {d} {m} {s}",
            "{d}d{m}m{s}{h}",
            "{d}:{m}:{s} {h}",
            "{d} deg {m} min {s} sec {h}",
        ]
    ),
)
def test_degrees_minutes_and_seconds_written_are_read_back(degrees, letter, form):
    d, rest = int(degrees), (degrees - int(degrees)) * 60
    m, s = int(rest), round((rest - int(rest)) * 60, 4)
    text = form.format(d=d, m=m, s=f"{min(s, 59.9999):.4f}", h=letter)
    sign = -1 if letter == "w" else 1
    assert read_degrees(text, "x") == pytest.approx(sign * degrees, abs=1e-7)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "500000",
            "500 000",
            "12 30",
            "12:30",
            "120 75 10",
            "120 10 75",
            "421630",
            "421630e",
            "120.5 30 10",
        ),
        *("120.5.5", "e", "1e5", "5 12 2021", "-35 n", "95 0 0 n", "12°5'3'n", "35°12'20\"ns", "", "°", "x5"),
    ],
)
def test_what_is_no_coordinate_in_degrees_is_not_taken_for_one(text):
    assert read_degrees(text, "y") is None


@pytest.mark.parametrize("text", ["1" * 50_000, "1 " * 50_000, "1'" * 50_000, " " * 50_000 + "e", "1°" * 9])
def test_a_long_cell_costs_no_time(text):
    with within(1):
        assert read_degrees(text, "x") is None


def test_coordinates_in_minutes_read_like_the_same_in_degrees(read):
    minutes = 'Longitude,Latitude,Cu\n122°30\'36"W,55 10 12 N,5\n122.52° W,"55°11,4\'",6\n,,7\n'
    plain = "Longitude,Latitude,Cu\n-122.51,55.17,5\n-122.52,55.19,6\n,,7\n"
    got, counts = read(minutes)
    np.testing.assert_allclose(got.coordinates, read(plain)[0].coordinates, atol=1e-6)
    assert counts["crs_from"] == "degrees and minutes"
    assert counts["crs"] == "EPSG:4326"
    assert counts["dropped"]["missing or no numbers"] == 1


def test_columns_of_plain_names_that_hold_minutes_are_degrees(read):
    text = "x,y,Cu\n122°30'36\"W,55 10 12 N,5\n122°31'36\"W,55 10 12 N,5.5\n"
    assert read(text)[1]["crs"] == "EPSG:4326"
    way = pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
    np.testing.assert_allclose(read(text)[0].coordinates[0], way.transform(-122.51, 55.17), atol=1e-3)


def test_a_note_in_degrees_among_metres_is_no_number(read):
    rows = "".join(f"{500_000 + n},{6_100_000 + n},{n + 1}\n" for n in range(5))
    got, counts = read(f"x,y,Cu\n{rows}12 30 10,55 10 12,9\n55°N,12°E,9\n")
    assert (len(got), counts["dropped"]["missing or no numbers"], counts["crs"]) == (5, 2, CRS)


def test_the_datum_that_column_names_say_is_used(read):
    text = "Longitude_{0},Latitude_{0},Cu\n-122.5,55.1,5\n-122.6,55.2,6\n"
    assert read(text.format("NAD27"))[1]["crs"] == "EPSG:4267"
    moved = read(text.format("NAD27"))[0].coordinates - read(text.format("WGS84"))[0].coordinates
    assert 20 < np.hypot(*moved[0]) < 300
