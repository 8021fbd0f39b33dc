"""The open surveys, read in place: what is in each file, counted."""

import re
import warnings

import numpy as np
import pandas as pd
import pyogrio
import pytest

from gossan.errors import DataError, DataWarning
from gossan.io import read_deposits, read_geology, read_samples
from gossan.survey import DepositSource, GeologySource, SampleSource

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore::gossan.errors.DataWarning")]


def samples(path, project, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return read_samples(path, SampleSource(path.name, **options), project)


def total(counts, rule):
    return sum(found.get(rule, 0) for found in counts["elements"].values())


@pytest.mark.parametrize(
    ("path", "crs", "rows", "elements", "coincident"),
    [
        ("eskay_creek_bc/samples.csv", "EPSG:26910", 4205, 15, 224),
        ("mount_painter_sa/samples.csv", "EPSG:28354", 746, 19, None),
        ("mount_painter_sa/samples_imputed_by_earthbyte.csv", "EPSG:28354", 615, 27, None),
        ("tellus_streams_ireland/samples_border_2013.csv", "EPSG:29902", 3626, 55, None),
        ("tellus_streams_ireland/samples_southeast_2016.csv", "EPSG:29902", 1882, 55, None),
        ("tellus_streams_ireland/samples_northern_ireland_gsni.csv", "EPSG:29902", 5875, 36, None),
        ("bc_quest_streams/samples.csv", "EPSG:26910", 1959, 35, 107),
        ("katanning_au_wa/samples.csv", "EPSG:28350", 1392, 60, 572),
        ("capricorn_wa/samples_soil_all.csv", "EPSG:28350", 460, 61, None),
    ],
)
def test_the_open_surveys_read_with_the_right_counts(data, path, crs, rows, elements, coincident):
    got, counts = samples(data / path, crs)
    assert got.values.shape == (rows, elements)
    assert counts["rows"] == counts["kept"] == rows
    assert coincident in (None, counts["coincident"])


def test_katanning_as_published_is_refused_until_its_degrees_are_said(data):
    with pytest.raises(DataError, match=r"X and Y all lie within 180 and 90, like degrees.*\[samples\] crs"):
        samples(data / "katanning_au_wa/samples_raw.csv", "EPSG:28350")


def test_katanning_as_published_has_missing_codes_negatives_and_degrees(data):
    got, counts = samples(data / "katanning_au_wa/samples_raw.csv", "EPSG:28350", crs="EPSG:4326")
    assert (counts["rows"], counts["kept"], counts["coincident"]) == (1392, 1392, 572)
    assert counts["crs"] == "EPSG:4326"
    assert (got.coordinates[:, 0] > 5e5).all()
    assert (got.coordinates[:, 0] < 8e5).all()
    assert counts["media"] == {"column": "SAMPLETYPE", "rows": {"STREA": 1392}}
    below = {name: found.get("below", 0) for name, found in counts["elements"].items()}
    assert [below[name] for name in ("Au", "Pt", "Bi", "Ta", "Re")] == [53, 306, 340, 361, 346]
    assert total(counts, "below") == 3837
    assert counts["elements"]["Au"]["zero"] == 154
    raw = (data / "katanning_au_wa/samples_raw.csv").read_text().splitlines()
    head, rows = raw[0].split(","), [line.split(",") for line in raw[1:]]
    used = [head.index(found["column"]) for found in counts["elements"].values()]
    assert total(counts, "sentinel") == sum(row[n] == "-9999.0" for row in rows for n in used) == 32_972
    assert counts["alternatives"]["Fe"] == ["Fe2O3_pct", "Fe2O3T_pct", "FeO_pct"]
    assert {"Zn", "Ni"} <= set(counts["suspect_units"])
    assert counts["suspect_units"]["Zn"]["factor"] == pytest.approx(0.11 / 67, rel=0.1)


def test_mount_painter_as_published_has_93_analytes_and_zeros_of_either_meaning(data):
    path = data / "mount_painter_sa/samples_raw.csv"
    with pytest.warns(
        DataWarning, match=r"zeros, not analysed or below detection.* Dy 1125, .* and \d+ more"
    ):
        got, counts = read_samples(path, SampleSource("s"), "EPSG:28354")
    held = [found["column"] for found in counts["elements"].values()]
    others = [name for names in counts["alternatives"].values() for name in names]
    known = [name for name in counts["ignored"] if name != "sample_no"]
    analytes = {*held, *others, *known}
    assert (counts["rows"], counts["kept"], len(analytes)) == (1333, 1333, 93)
    assert counts["crs_from"] == "names of the coordinate columns"
    copper = counts["elements"]["Cu"]
    assert (copper["file_unit"], copper["unit"], copper["factor"]) == ("ppb", "ppm", 1e-3)
    raw = np.genfromtxt(path, delimiter=",", names=True, usecols=("Cu_ppb",))["Cu_ppb"]
    assert copper["zero"] == (raw == 0).sum()
    np.testing.assert_allclose(got.values["Cu"].dropna(), raw[raw > 0] * 1e-3)


def test_negatives_of_quest_are_counted_as_below_detection(data):
    with pytest.warns(DataWarning, match="W 96 % below detection"):
        _, counts = read_samples(data / "bc_quest_streams/samples.csv", SampleSource("s"), "EPSG:26910")
    below = {name: found.get("below", 0) for name, found in counts["elements"].items()}
    assert [below[name] for name in ("W", "Te", "Th", "Bi", "K")] == [1872, 397, 147, 122, 107]


@pytest.mark.parametrize(("name", "rows"), [("border_2013", 3626), ("southeast_2016", 1882)])
def test_tellus_has_micrograms_beside_milligrams_and_percent(data, name, rows):
    path = data / f"tellus_streams_ireland/samples_{name}.csv"
    got, counts = samples(path, "EPSG:29902")
    assert counts["kept"] == rows
    told = {
        e: (found.get("file_unit", found["unit"]), found["unit"]) for e, found in counts["elements"].items()
    }
    assert told["Au"] == ("ppb", "ppb")
    assert told["Cu"] == ("ppm", "ppm")
    assert told["Ag"] == ("ppm", "ppb")
    assert told["Fe"] == ("pct Fe2O3", "pct")
    assert told["Mn"] == ("pct MnO", "ppm")
    raw = np.genfromtxt(path, delimiter=",", names=True, deletechars="")
    np.testing.assert_allclose(got.values["Mn"], raw["MnO_%"] * 1e4 * 54.938 / (54.938 + 15.999))
    assert total(counts, "empty") == {"border_2013": 54, "southeast_2016": 102}[name]
    assert counts["suspect_units"] == {}


def test_eskay_creek_has_repeated_places_impossible_ph_and_negative_eastings(data):
    with pytest.warns(DataWarning, match="pH_water is impossible in 41 rows"):
        got, counts = read_samples(data / "eskay_creek_bc/samples.csv", SampleSource("s"), "EPSG:26910")
    assert (counts["repeated"], counts["coincident"]) == (448, 224)
    assert counts["impossible"]["pH_water"]["rows"] == 41
    assert counts["negative_easting"] == 285
    assert got.coordinates[:, 0].min() < 0
    assert counts["suspect_units"] == {}
    assert total(counts, "measured") == 4205 * 15


@pytest.mark.parametrize(
    ("path", "crs", "where", "kept"),
    [
        ("eskay_creek_bc/deposits.csv", "EPSG:26910", None, 51),
        ("eskay_creek_bc/deposits.gpkg", "EPSG:26910", None, 51),
        ("mount_painter_sa/deposits_cu.csv", "EPSG:28354", None, 86),
        ("mount_painter_sa/occurrences.gpkg", "EPSG:28354", "is_Cu == 1", 86),
        ("mount_painter_sa/occurrences.gpkg", "EPSG:28354", "is_U = 1", 71),
        ("katanning_au_wa/deposits_au.csv", "EPSG:28350", None, 32),
        ("capricorn_wa/deposits_cu_minedex.csv", "EPSG:28350", None, 55),
        ("cloncurry_iocg_rasters/deposits_iocg.csv", "EPSG:7845", None, 258),
    ],
)
def test_the_deposits_of_the_open_surveys_read(data, path, crs, where, kept):
    got, _ = read_deposits(data / path, DepositSource("d", where=where), crs)
    assert len(got) == kept


# ---- the same surveys as others would send them


def in_words(text, decimal, part):
    """Write a number of a table with other signs, thousands parted; other text stays."""
    if not re.fullmatch(r"-?\d+(\.\d+)?", text):
        return text
    whole, _, rest = text.lstrip("-").partition(".")
    return "-" * text.startswith("-") + f"{int(whole):,}".replace(",", part) + (rest and decimal + rest)


@pytest.mark.parametrize(
    ("separator", "decimal", "part"), [(";", ",", "."), ("\t", ",", "."), (",", ".", ",")]
)
def test_eskay_creek_reads_alike_with_other_decimal_signs_and_thousands(
    data, tmp_path, separator, decimal, part
):
    path = data / "eskay_creek_bc/samples.csv"
    expected, _ = samples(path, "EPSG:26910")
    table = pd.read_csv(path, dtype=str, keep_default_na=False).map(in_words, decimal=decimal, part=part)
    table.to_csv(tmp_path / "s.csv", sep=separator, index=False, encoding="latin-1")
    got, counts = samples(tmp_path / "s.csv", "EPSG:26910")
    np.testing.assert_array_equal(got.coordinates, expected.coordinates)
    pd.testing.assert_frame_equal(got.values, expected.values)
    assert counts["thousands"]["Ba_ppm"] == 1559
    assert counts["thousands"]["y"] == 4205


def test_katanning_reads_alike_with_degrees_minutes_and_seconds_in_columns(data, tmp_path):
    path = data / "katanning_au_wa/samples_raw.csv"
    expected, _ = samples(path, "EPSG:28350", crs="EPSG:4326")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for axis, name, sides in (("lon", "X", "EW"), ("lat", "Y", "NS")):
        value = table.pop(name).astype(float)
        size = value.abs()
        table[f"{axis}_deg"], table[f"{axis}_min"] = size // 1, size * 60 // 1 % 60
        table[f"{axis}_sec"] = (size * 3600 % 60).map("{:.5f}".format)
        table[f"{axis}_dir"] = np.where(value < 0, sides[1], sides[0])
    table.to_csv(tmp_path / "s.csv", index=False)
    got, counts = samples(tmp_path / "s.csv", "EPSG:28350")
    assert counts["crs"] == "EPSG:4326"
    np.testing.assert_allclose(got.coordinates, expected.coordinates, atol=0.01)


@pytest.mark.parametrize("ending", ["gdb", "tab", "mif", "kml"])
def test_the_geology_of_eskay_creek_reads_alike_in_other_formats(data, tmp_path, ending):
    path = data / "eskay_creek_bc/geology.gpkg"
    source = GeologySource("g", attribute="PERIOD")
    expected, _ = read_geology(path, source, "EPSG:26910")
    layer = pyogrio.read_dataframe(path)
    options = {
        "gdb": {"driver": "OpenFileGDB", "geometry_type": "MultiPolygon"},
        "tab": {"driver": "MapInfo File"},
        "mif": {"driver": "MapInfo File", "FORMAT": "MIF"},
        "kml": {"driver": "LIBKML"},
    }[ending]
    layer = layer.to_crs("EPSG:4326") if ending == "kml" else layer
    pyogrio.write_dataframe(layer, tmp_path / f"g.{ending}", **options)
    got, counts = read_geology(tmp_path / f"g.{ending}", source, "EPSG:26910")
    assert counts["kept"] == 969
    assert got["unit"].tolist() == expected["unit"].tolist()
    np.testing.assert_allclose(got.area, expected.area, rtol=1e-3)
