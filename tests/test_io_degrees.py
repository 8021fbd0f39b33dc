"""Degrees, minutes, seconds and hemispheres in columns of their own."""

import warnings

import numpy as np
import pandas as pd
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossan.errors import DataError, DataWarning, UsageError
from gossan.io import read_deposits, read_samples
from gossan.io.cells import gather
from gossan.io.degrees import join_parts
from gossan.io.tables import find_pair
from gossan.pipeline.guess import draft_project
from gossan.survey import DepositSource, SampleSource

CRS = "EPSG:28350"
NAMES = {
    "lon_deg": "lat_deg",
    "Long Degrees": "Lat Degrees",
    "LongD": "LatD",
    "deg_lon": "deg_lat",
    "Longitude (deg)": "Latitude (deg)",
}


def as_column(values):
    return gather(pd.Series([str(one) for one in values], dtype=object))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 89 * 3600 * 1000)), min_size=1, max_size=9))
def test_parts_joined_are_the_degrees_that_were_taken_apart(cases):
    """Whole degrees, whole minutes and seconds of three decimals, a minus before degrees, also before 0."""
    signs = [-1 if negative else 1 for negative, _ in cases]
    seconds = np.array([one / 1000 for _, one in cases])
    d = [f"{'-' if sign < 0 else ''}{int(one // 3600)}" for sign, one in zip(signs, seconds, strict=True)]
    m, s = (seconds % 3600 // 60).astype(int), [f"{one % 60:.3f}" for one in seconds]
    s = [f"{min(float(one), 59.999):.3f}" for one in s]
    got, blank = join_parts([as_column(d), as_column(m), as_column(s)], "y")
    np.testing.assert_allclose(got, np.array(signs) * seconds / 3600, atol=1e-6)
    assert blank == 0


@pytest.mark.parametrize(
    ("parts", "degrees", "blank"),
    [
        ((["118", "118"], ["30", "12.5"]), [118.5, 118 + 12.5 / 60], 0),
        ((["118"], ["30"], ["36"], ["W"]), [-118.51], 0),
        ((["W"], ["118"], ["30"], ["36"]), [-118.51], 0),  # wherever the letters stand
        ((["-118"], ["30"], ["36"], ["west"]), [-118.51], 0),
        ((["-118", "-118"], ["-30", "30"], ["36", "-36"]), [-118.51, -118.51], 0),
        ((["-0"], ["30"]), [-0.5], 0),
        ((["118.25"], ["E"]), [118.25], 0),
        ((["118", "118", "", "118"], ["30", "30", "1", ""], ["", "x", "1", ""]), [118.5] + [np.nan] * 3, 1),
        ((["118.5"], ["30"]), [np.nan], 0),  # a fraction of a degree, and minutes
        ((["118"], ["30.5"], ["30"]), [np.nan], 0),
        ((["118"], ["60"]), [np.nan], 0),
        ((["118"], ["-30"]), [np.nan], 0),
        ((["361", "360"], ["0", "0"]), [np.nan, 360], 0),
        ((["-118"], ["30"], ["E"]), [np.nan], 0),
        ((["118", "118"], ["30", "30"], ["E", "Q"]), [118.5, np.nan], 0),
    ],
)
def test_parts_that_fit_are_joined_and_others_missing(parts, degrees, blank):
    got, blanks = join_parts([as_column(part) for part in parts], "x")
    np.testing.assert_allclose(got, degrees)
    assert blanks == blank


def test_hemispheres_of_the_other_axis_are_refused():
    with pytest.raises(DataError, match="longitude has the hemisphere 's'; one is E or W; exchange x and y"):
        join_parts([as_column(["35"]), as_column(["S"])], "x")


@pytest.mark.parametrize("lon", NAMES)
def test_columns_of_parts_are_found_by_their_names(lon):
    lat, part = NAMES[lon], {"Degrees": "Minutes", "deg": "min", "D": "M"}
    old = next(one for one in part if one in lon)
    columns = [name.replace(old, new) for name in (lat, lon) for new in (old, part[old])]
    assert find_pair(["Cu", *columns]) == (tuple(columns[2:]), tuple(columns[:2]))


def test_whole_degrees_and_metres_come_before_parts():
    parts = ["lat_deg", "lat_min", "lon_deg", "lon_min"]
    assert find_pair([*parts, "lat", "lon"]) == (("lon",), ("lat",))
    assert find_pair([*parts, "Easting", "Northing"]) == (("Easting",), ("Northing",))
    assert find_pair(["lat_min", "lat_max", "lon_min", "lon_max"]) == (("lon_min",), ("lat_min",))
    assert find_pair(["lat", "N/S", "lon", "E/W"]) == (("lon", "E/W"), ("lat", "N/S"))


HEAD = "id,lat_deg,lat_min,lat_sec,N/S,lon_deg,lon_min,lon_sec,E/W,Cu_ppm"
ROWS = ["a,34,18,36,S,118,12,0,E,5", "b,34,19,12,S,118,13,30,E,6", "c,34,20,,S,118,14,15,E,7"]


@pytest.fixture
def table(tmp_path):
    def inner(head=HEAD, rows=ROWS, name="s.csv"):
        path = tmp_path / name
        path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
        return path

    return inner


def test_a_table_of_parts_is_read_as_one_of_degrees(table):
    whole = ["-34.31,118.2,5", "-34.32,118.225,6", f"{-34 - 20 / 60},118.2375,7"]
    path = table("lat,lon,Cu_ppm", whole, "w.csv")
    expected, _ = read_samples(path, SampleSource(path.name), CRS)
    with pytest.warns(DataWarning, match="samples: blank seconds are taken as 0 in 1 rows"):
        samples, counts = read_samples(table(), SampleSource("s.csv"), CRS)
    np.testing.assert_allclose(samples.coordinates, expected.coordinates, atol=0.01)
    assert counts["x"] == "lon_deg + lon_min + lon_sec + E/W"
    assert counts["crs"] == "EPSG:4326"
    assert counts["crs_from"] == "degrees and minutes"
    assert list(samples.values) == ["Cu"]


def test_the_project_may_name_the_parts(table):
    head = HEAD
    for old, new in (("lat_", "a "), ("lon_", "b ")):
        head = head.replace(old, new)
    path = table(head)
    x, y = "b deg + b min + b sec + E/W", "a deg + a min + a sec + N/S"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        got, counts = read_deposits(path, DepositSource(path.name, x=x, y=y), CRS)
        expected, _ = read_deposits(table(), DepositSource("s.csv"), CRS)
    np.testing.assert_array_equal(got.coordinates, expected.coordinates)
    assert counts["x"] == x
    with pytest.raises(UsageError, match=r"\[deposits\] x = 'b dog' is no column of the file"):
        read_deposits(path, DepositSource(path.name, x="b dog + b min", y=y), CRS)


def test_a_column_of_hemispheres_turns_plain_degrees_round(table):
    path = table("lat,NS,lon,EW,Cu_ppm", ["34.31,S,118.2,E,5", "34.32,S,118.3,E,6"])
    samples, _ = read_samples(path, SampleSource(path.name), CRS)
    assert (samples.coordinates[:, 1] > 6e6).all()


def test_init_guesses_the_parts_and_check_reads_them(table, tmp_path):
    path = table(rows=[f"a,34,{n % 60},{n / 2},S,118,{n * 7 % 60},5,E,{n + 1}" for n in range(40)])
    text, guesses = draft_project(tmp_path / "p.toml", {"samples.path": path, "deposits.path": path})
    assert guesses["samples.x"]["value"] == "lon_deg + lon_min + lon_sec + E/W"
    assert guesses["deposits.y"]["value"] == "lat_deg + lat_min + lat_sec + N/S"
    assert guesses["project.crs"]["value"] == "EPSG:28350"
    assert 'x = "lon_deg + lon_min + lon_sec + E/W"' in text


def test_init_fits_metres_to_degrees_in_parts_beside_them(table, tmp_path):
    lon, lat = 118 + np.arange(20) / 60, -34 - np.arange(20) / 60
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:28351", always_xy=True).transform(lon, lat)
    spots = zip(x, y, range(20), strict=True)
    rows = [f"{east:.1f},{north:.1f},118,{n},0,E,34,{n},0,S,{n + 1}" for east, north, n in spots]
    path = table("x,y,lon_deg,lon_min,lon_sec,E/W,lat_deg,lat_min,lat_sec,N/S,Cu_ppm", rows)
    _, guesses = draft_project(tmp_path / "p.toml", {"samples.path": path, "deposits.path": path})
    assert guesses["project.crs"]["value"] == "EPSG:28351"  # the zone beside the one that it lies in
    assert guesses["samples.x"]["value"] == "x"


def test_a_refusal_names_the_parts_of_a_coordinate_once(table):
    rows = [row.replace(",S,118", ",,118") for row in ROWS]  # south without a word
    with pytest.raises(
        DataError, match=r"lon_sec \+ E/W and lat_deg \+ lat_min \+ lat_sec \+ N/S lie outside"
    ):
        read_samples(table(rows=rows), SampleSource("s.csv"), CRS)
