"""Decimal signs and signs between thousands: proved by the column, by the file, or not guessed at."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gossan.errors import DataError, DataWarning
from gossan.io import read_samples
from gossan.io.cells import RULES, read_cells
from gossan.survey import SampleSource

CRS = "EPSG:26910"


@pytest.fixture
def read(tmp_path):
    """Write columns beside coordinates, read them; values, counts and what was warned of."""

    def inner(separator=";", x="500{}000", **columns):
        count = len(next(iter(columns.values())))
        rows = [["x", "y", *columns]]
        for number in range(count):
            spot = [x.format(number), f"6100{number}00"]
            rows.append([*spot, *(f'"{cells[number]}"' for cells in columns.values())])
        path = tmp_path / "d.csv"
        path.write_text("\n".join(separator.join(row) for row in rows) + "\n", encoding="utf-8")
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always", DataWarning)
            samples, counts = read_samples(path, SampleSource("d.csv", transform="none"), CRS)
        return samples, counts, [str(one.message) for one in heard]

    return inner


def written(value, decimal, part):
    """Write a number as a German or an English table would."""
    text = f"{value:,.3f}".rstrip("0").rstrip(".")
    return text.translate(str.maketrans({",": part, ".": decimal}))


NUMBERS = st.lists(st.integers(1, 9_999_999).map(lambda n: n / 1000), min_size=1, max_size=12)
WAYS = st.sampled_from([(",", "."), (".", ",")])


@given(NUMBERS, WAYS, st.sampled_from(["1{part}234{decimal}5", "1{part}234{part}567"]))
def test_a_column_that_proves_its_signs_reads_as_it_was_written(numbers, way, proof):
    proof = proof.format(decimal=way[0], part=way[1])
    cells = [written(one, *way) for one in numbers]
    values, code = read_cells(pd.Series([*cells, proof], dtype=object))
    np.testing.assert_allclose(values[:-1], numbers)
    assert values[-1] == (1234.5 if way[0] in proof else 1_234_567)
    assert {RULES[one] for one in code} == {"measured"}


@given(NUMBERS, WAYS, st.sampled_from(["<", ">", "", "-"]))
@example([1.001, 1000.0], (",", "."), "<")
def test_a_sign_before_a_number_changes_nothing_about_its_thousands(numbers, way, sign):
    cells = [sign + written(one, *way) for one in numbers]
    values, code = read_cells(pd.Series([*cells, "1{1}234{0}5".format(*way)], dtype=object))
    np.testing.assert_allclose(values[:-1], numbers)
    assert {RULES[one] for one in code[:-1]} == {
        {"<": "below", ">": "above", "": "measured", "-": "below"}[sign]
    }


OPEN = st.sampled_from(["1.234", "1,234", "<1.234", "<1,234", "999.000", "12,345", "350", ""])
PROOFS = st.sampled_from(["0.5", "0,5", "1.234,5", "1,234.5", "1.234.567", "1,234,567", "7"])


@given(st.lists(st.one_of(OPEN, OPEN, PROOFS), min_size=1, max_size=8), st.booleans())
def test_no_cell_is_read_as_thousands_and_another_like_it_as_decimals(cells, comma):
    """Whatever stands in a column, a sign means one thing in it, or it is refused, or its cells are text."""
    try:
        values, code = read_cells(pd.Series(cells, dtype=object), comma=comma)
    except DataError as error:
        said = str(error).splitlines()
        assert "thousands or decimals" in said[0]
        assert len(said) == 1
        return
    meant = {".": set(), ",": set()}
    for text, value, kind in zip(cells, values, code, strict=True):
        text = text.lstrip("<")
        if RULES[kind] in ("measured", "below"):
            decimals = max(text.rfind("."), text.rfind(","))
            last = text[decimals] if decimals >= 0 else None
            whole = float(text.replace(".", "").replace(",", ""))
            for sign in set(text) & {".", ","}:
                decimal = sign == last and text.count(sign) == 1 and value != whole
                meant[sign].add("decimal" if decimal else "thousands")
    assert all(len(each) <= 1 for each in meant.values())
    assert not (meant["."] == meant[","] and meant["."])


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1.234", "1.234,5"], [1234, 1234.5]),
        (["1,234", "1,234.5"], [1234, 1234.5]),
        (["1.234", "0,5"], [1234, 0.5]),
        (["<1.234", "1.234.567"], [1234, 1_234_567]),
        (["1.234", "<0.5"], [1.234, 0.5]),
        (["1,5", "<0.5"], [1.5, 0.5]),
        (["\uff11.234", "1.234,5"], [1234, 1234.5]),  # a full-width one
    ],
)
def test_one_cell_proves_what_the_others_of_its_column_mean(cells, values):
    assert read_cells(pd.Series(cells, dtype=object))[0].tolist() == values


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1.234,5", "0.5"], "'1.234,5' and '0.5', which may be thousands or decimals"),
        (["1.234,5", "1,234.5"], "'1.234,5' and '1,234.5'"),
        (["1.234", "1,234"], "'1.234' and '1,234', .*: nothing tells which sign is decimal"),
        (["1,234", "1,5", "0.5"], "'1,234', .*: it has '0.5' and '1,5' too"),
    ],
)
def test_a_column_that_contradicts_itself_is_refused_in_one_line(cells, said):
    with pytest.raises(DataError, match=said) as refused:
        read_cells(pd.Series(cells, dtype=object, name="Cu"))
    assert "column 'Cu'" in str(refused.value)


def test_thousands_are_counted_and_told(read):
    samples, counts, heard = read(Cu_ppm=["1.234", "1.234,5", "2,5"], Zn_ppm=["5", "6", "7"])
    assert samples.values["Cu"].tolist() == [1234, 1234.5, 2.5]
    assert counts["thousands"] == {"Cu_ppm": 2}
    assert "samples: signs between thousands are taken out in cells: 2 of Cu_ppm" in heard


@pytest.mark.parametrize("separator", [";", ","])
@pytest.mark.parametrize(("proof", "open_cell", "value"), [("2,5", "1.234", 1234), ("2.5", "1,234", 1234)])
def test_another_column_proves_what_is_open_in_one(read, separator, proof, open_cell, value):
    columns = {"Cu_ppm": [open_cell, "350"], "Zn_ppm": [proof, "6"]}
    samples, counts, _ = read(separator=separator, **columns)
    assert samples.values["Cu"].tolist() == [value, 350]
    assert counts["thousands"] == {"Cu_ppm": 1}


@pytest.mark.parametrize(("proof", "open_cell"), [("2,5", "1,234"), ("2.5", "1.234")])
def test_what_another_column_proves_decimal_is_decimal(read, proof, open_cell):
    samples, counts, _ = read(Cu_ppm=[open_cell, "350"], Zn_ppm=[proof, "6"])
    assert samples.values["Cu"].tolist() == [1.234, 350]
    assert "thousands" not in counts
    assert "doubtful_decimals" not in counts


@pytest.mark.parametrize("cell", ["1.234", "1,234"])
def test_without_any_proof_decimals_are_read_and_warned_of(read, cell):
    samples, counts, heard = read(Cu_ppm=[cell, "350"], Zn_ppm=["5", "6"])
    assert samples.values["Cu"].tolist() == [1.234, 350]
    assert counts["doubtful_decimals"] == {"Cu_ppm": cell}
    assert any(
        f"nothing tells whether thousands or decimals are meant, so decimals are read: Cu_ppm ({cell})" in one
        for one in heard
    )


def test_columns_that_prove_both_ways_leave_a_third_in_doubt(read):
    with pytest.raises(
        DataError, match=r"^samples file d\.csv: column 'Cu_ppm' has '1\.234'.*decimal points"
    ):
        read(Cu_ppm=["1.234", "350"], Zn_ppm=["2,5", "6"], Pb_ppm=["2.5", "7"])
    with pytest.raises(DataError, match="column 'Zn_ppm' has '1,234'"):
        read(Cu_ppm=["1.234", "350"], Zn_ppm=["1,234", "6"])


def test_coordinates_prove_and_are_proved_too(read):
    samples, counts, _ = read(x="50{}.000", Cu_ppm=["2,5", "3,5"])
    assert samples.coordinates[:, 0].tolist() == [500_000, 501_000]
    assert counts["thousands"] == {"x": 2}


def test_a_proof_in_a_late_block_of_rows_holds_for_the_first(read, monkeypatch):
    monkeypatch.setattr("gossan.io.text._ROWS", 2)
    samples, counts, _ = read(Cu_ppm=["1.234", "2.000", "350", "1,5"])
    assert samples.values["Cu"].tolist() == [1234, 2000, 350, 1.5]
    assert counts["thousands"] == {"Cu_ppm": 2}
    samples, counts, _ = read(Cu_ppm=["1,234", "2,000", "350", "1.5"])  # taken for decimals at first
    assert samples.values["Cu"].tolist() == [1234, 2000, 350, 1.5]
    assert counts["thousands"] == {"Cu_ppm": 2}


def test_numbers_of_a_workbook_mean_what_they_say(tmp_path):
    """Only its texts are open: 1.234 as a number is no thousand, whatever texts of other columns prove."""
    table = pd.DataFrame(
        {"x": [500_000, 500_100], "y": [6_100_000, 6_100_100], "Cu": [1.234, 2.345], "Zn": ["1,5", "1.234"]}
    )
    table.to_excel(tmp_path / "d.xlsx", index=False)
    with pytest.warns(DataWarning, match="signs between thousands are taken out in cells: 1 of Zn"):
        samples, _ = read_samples(tmp_path / "d.xlsx", SampleSource("d.xlsx"), CRS)
    assert samples.values["Cu"].tolist() == [1.234, 2.345]
    assert samples.values["Zn"].tolist() == [1.5, 1234]
    table["Cu"] = [1.234, "1.234,5"]  # as a program leaves a German table that it took for an English one
    table.to_excel(tmp_path / "d.xlsx", index=False)
    with pytest.raises(DataError, match=r"column 'Cu' has '1\.234,5' and '1\.234'"):
        read_samples(tmp_path / "d.xlsx", SampleSource("d.xlsx"), CRS)
