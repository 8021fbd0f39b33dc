"""`gossan init`: what is guessed from files is right, is marked as a guess, and is read by `check`."""

import json
import re
import tomllib

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gossan import cli
from gossan.config import load_project, new_project, template
from gossan.errors import DataWarning
from gossan.pipeline import draft_project
from gossan.pipeline.zones import fitting_crs, is_metric, zone_of

# ---- zones


@settings(deadline=None, max_examples=40)
@given(st.floats(-179.9, 179.9), st.floats(-79, 83))
@example(18.0, 34.0)
@example(25.0, 34.0)
def test_a_place_lies_in_the_area_of_its_zone(longitude, latitude):
    zone = zone_of(np.array([longitude, latitude]))
    known = pyproj.CRS(zone).to_json_dict()
    # EPSG has several areas for one CRS, such as of its scopes
    boxes = [one["bbox"] for one in known.get("usages", [known])]
    assert any(
        box["west_longitude"] - 1e-5 <= longitude <= box["east_longitude"] + 1e-5
        and box["south_latitude"] - 1.5 <= latitude <= box["north_latitude"] + 1.5
        for box in boxes
    )
    assert is_metric(zone) == zone


@settings(deadline=None, max_examples=30)
@given(
    st.floats(-170, 170),
    st.floats(-70, 70),
    st.sampled_from(["EPSG:26910", "EPSG:28354", "EPSG:32650", None]),
)
def test_coordinates_are_found_to_be_in_their_zone(longitude, latitude, other):
    own = other or zone_of(np.array([longitude, latitude]))
    use = pyproj.CRS(own).area_of_use
    rng = np.random.default_rng(0)
    # up to a zone beyond its western edge, as at Eskay Creek
    degrees = rng.uniform((use.west - 3, use.south + 2), (use.east, use.south + 6), (50, 2))
    way = pyproj.Transformer.from_crs("EPSG:4326", own, always_xy=True)
    metres = np.column_stack(way.transform(*degrees.T))
    found = fitting_crs(metres, degrees.round(5))
    back = pyproj.Transformer.from_crs("EPSG:4326", found, always_xy=True)
    np.testing.assert_allclose(np.column_stack(back.transform(*degrees.T)), metres, atol=2.5)
    assert fitting_crs(metres + 500, degrees) is None


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ((118.2, -34.3), "EPSG:28350"),  # Australia: GDA94
        ((-129.9, 57.0), "EPSG:26909"),  # North America: NAD83
        ((14.0, 67.0), "EPSG:25833"),  # Europe: ETRS89
        ((117.0, 30.0), "EPSG:32650"),
        ((-70.0, -30.0), "EPSG:32719"),
    ],
)
def test_each_continent_has_its_datum(place, zone):
    assert zone_of(np.array(place)) == zone


def test_only_a_projected_crs_in_metres_is_one_for_maps():
    assert is_metric("EPSG:4326") is None
    assert is_metric("EPSG:2227") is None  # feet
    assert is_metric(None) is None


# ---- the file


@pytest.fixture
def files(tmp_path):
    """Return samples with degrees beside metres, and deposits in degrees only, in UTM zone 50 north."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform((400_000, 4_000_000), (420_000, 4_020_000), (900, 2)).T
    lon, lat = pyproj.Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True).transform(x, y)
    table = pd.DataFrame({"Easting": x.round(1), "Northing": y.round(1), "lon": lon, "lat": lat})
    table["Cu_ppm"], table["Au (ng/g)"] = rng.lognormal(3, 1, 900), rng.lognormal(0, 1, 900)
    table["year"] = 2011
    table.to_csv(tmp_path / "samples.csv", index=False)
    table.loc[:40:4, ["lon", "lat"]].to_csv(tmp_path / "deposits.csv", index=False)
    return tmp_path


def drafted(folder, **more):
    given = {"samples.path": folder / "samples.csv", "deposits.path": folder / "deposits.csv", **more}
    text, guesses = draft_project(folder / "project.toml", given)
    return text, guesses, tomllib.loads(text)


def test_columns_units_and_crs_are_found_and_each_is_marked_as_a_guess(files):
    text, guesses, values = drafted(files)
    assert values["project"]["crs"] == "EPSG:32650"
    assert values["samples"] | {"x": "Easting", "y": "Northing", "survey": "year"} == values["samples"]
    assert values["deposits"] | {"x": "lon", "y": "lat", "crs": "EPSG:4326"} == values["deposits"]
    assert "Cu ppm, Au ppb" in guesses["samples.elements"]["why"]
    assert len(re.findall(r"^# guess: ", text, re.M)) == len(guesses)
    for key, guess in guesses.items():
        why = guess["why"]
        if key != "samples.elements":  # a comment: all that are recognised
            leaf = key.split(".")[1]
            assert re.search(rf"^# guess: {re.escape(why)}\n{leaf} = ", text, re.M), key


def test_a_first_project_has_settings_for_a_run_of_minutes_unless_a_model_is_asked_for(files):
    _, guesses, values = drafted(files)
    assert values["model"] == {"name": "mfaf-shufflenet-v2", "width": 0.5, "depth": 1, "summary": True}
    assert values["training"] | {"epochs": 8, "ensemble": 3} == values["training"]
    assert [key for key in guesses if key.startswith("windows.")] == ["windows.strides"]  # the ground decides
    assert values["windows"] == {"strides": []}
    assert "barren.method" not in guesses  # a map of few areas
    given = {"samples.path": files / "samples.csv", "deposits.path": files / "deposits.csv"}
    text, asked = draft_project(files / "p.toml", given, overrides=["model.name=random-forest"])
    assert tomllib.loads(text)["model"] == {"name": "random-forest"}
    assert not {key for key in asked if key.startswith(("model.", "training."))}


@pytest.mark.parametrize("degrees", [False, True])
def test_a_large_survey_is_trained_on_few_of_its_barren_areas(tmp_path, degrees):
    rng = np.random.default_rng(np.random.SeedSequence(4))
    easting, northing = (
        start + 500.0 * each.ravel() for start, each in zip((4e5, 4e6), np.mgrid[:130, :130], strict=True)
    )
    names = ("x", "y")
    if degrees:
        way = pyproj.Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True)
        (easting, northing), names = way.transform(easting, northing), ("lon", "lat")
    table = pd.DataFrame({names[0]: easting, names[1]: northing, "Cu_ppm": rng.lognormal(3, 1, 130**2)})
    table.to_csv(tmp_path / "samples.csv", index=False)
    table.iloc[::900, :2].to_csv(tmp_path / "deposits.csv", index=False)
    given = {"samples.path": tmp_path / "samples.csv", "deposits.path": tmp_path / "deposits.csv"}
    text, guesses = draft_project(tmp_path / "p.toml", given, crs="EPSG:32650")
    # pixels of 100 m, so areas of 3.2 km in a box of 64.5 km: 406; degrees are rounder
    why = guesses["barren.method"]["why"]
    assert 380 < int(re.match(r"about (\d+) areas; ", why)[1]) < 430
    assert tomllib.loads(text)["barren"] == {"method": "random", "ratio": 6.0}
    _, other = draft_project(tmp_path / "p.toml", given, crs="EPSG:32650", overrides=["barren.method=all"])
    assert "barren.ratio" not in other
    assert other["explain.repeats"]["value"] == 2
    _, other = draft_project(tmp_path / "p.toml", given, crs="EPSG:32650", overrides=["training.epochs=3"])
    assert "training.epochs" not in other  # what is given is no guess


def test_what_is_given_is_no_guess(files):
    arguments = ["--samples", str(files / "samples.csv"), "--deposits", str(files / "deposits.csv")]
    out = files / "p.toml"
    arguments += [
        "--crs",
        "EPSG:32649",
        "--set",
        "samples.x=lon",
        "--set",
        "samples.y=lat",
        "--out",
        str(out),
    ]
    assert cli.main(["init", *arguments]) == 0
    text = out.read_text(encoding="utf-8").split("[deposits]")[0]
    assert 'crs = "EPSG:32649"  # required' in text
    assert re.search(r'\nx = "lon"', text)
    assert not re.search(r'# guess: .*\nx = "lon"', text)


def test_the_crs_of_a_file_comes_first_and_degrees_alone_give_their_zone(files):
    area = gpd.GeoDataFrame(geometry=gpd.points_from_xy([4e5], [4e6]).buffer(1e5), crs="EPSG:3857")
    area.to_file(files / "area.gpkg")
    assert drafted(files, **{"project.area": files / "area.gpkg"})[2]["project"]["crs"] == "EPSG:3857"
    table = pd.read_csv(files / "samples.csv").drop(columns=["Easting", "Northing"])
    table.to_csv(files / "samples.csv", index=False)
    _, guesses, values = drafted(files)
    assert values["project"]["crs"] == "EPSG:32650"
    assert "zone of the middle of the samples" in guesses["project.crs"]["why"]
    assert values["samples"]["crs"] == "EPSG:4326"


def test_degrees_called_x_and_y_are_seen_to_be_degrees(files):
    table = pd.read_csv(files / "samples.csv").drop(columns=["Easting", "Northing"])
    table.rename(columns={"lon": "X", "lat": "Y"}).to_csv(files / "samples.csv", index=False)
    values = drafted(files)[2]
    assert values["samples"] | {"x": "X", "y": "Y", "crs": "EPSG:4326"} == values["samples"]


def test_metres_alone_leave_the_crs_open_and_say_so(files):
    table = pd.read_csv(files / "samples.csv").drop(columns=["lon", "lat"])
    for name in ("samples", "deposits"):
        table.to_csv(files / f"{name}.csv", index=False)
    with pytest.warns(DataWarning, match="fill it in"):
        assert drafted(files)[2]["project"]["crs"] == ""


def test_the_attribute_of_geology_is_one_with_a_usual_number_of_units(files):
    squares = gpd.points_from_xy(np.arange(60) * 1e3 + 4e5, np.full(60, 4e6)).buffer(500, cap_style="square")
    frame = gpd.GeoDataFrame(geometry=squares, crs="EPSG:32650")
    frame["id"] = [f"pol_{i}" for i in range(60)]
    frame["era"] = ["Mesozoic", "Paleozoic"] * 30
    frame["rock"] = [f"r{i % 12}" for i in range(60)]
    frame["belt"] = [None if i % 2 else f"b{i % 24}" for i in range(60)]
    frame.to_file(files / "geology.gpkg")
    _, guesses, values = drafted(files, **{"geology.path": files / "geology.gpkg"})
    assert values["geology"]["attribute"] == "rock"
    assert guesses["geology.attribute"]["why"].startswith(
        "12 different texts; the others are id (60), era (2)"
    )


def test_a_file_that_cannot_be_read_gives_no_guess_and_a_warning(files):
    (files / "samples.csv").write_bytes(b"")
    with pytest.warns(DataWarning, match="nothing is guessed from the samples"):
        values = drafted(files)[2]
    assert values["samples"] == {"path": "samples.csv"}


def test_names_from_a_file_cannot_become_settings():
    notes = {"samples.elements": "x\n[training]\nepochs = 1"}
    text = template({"samples.path": "a.csv"}, notes)
    assert "training" not in {name for name, one in tomllib.loads(text).items() if one}
    evil = 'a"\n[training]\nepochs = 1\n#'
    values = {
        "project.crs": "",
        "samples.path": "a",
        "deposits.path": "b",
        "samples.x": evil,
        "samples.y": "y",
    }
    again = tomllib.loads(new_project(values, name="p", notes={"samples.x": evil}))
    assert again["samples"]["x"] == evil
    assert again["training"] == {}


def test_rasters_are_listed_each_with_its_path():
    values = {"project.crs": "", "samples.path": "a", "deposits.path": "b"}
    text = new_project({**values, "rasters.0.path": "m.tif", "rasters.1.path": "g.tif"}, name="p")
    assert tomllib.loads(text)["rasters"] == [{"path": "m.tif"}, {"path": "g.tif"}]


# ---- the real surveys


REAL = {
    "eskay creek": ("eskay_creek_bc", "samples.csv", "deposits.gpkg", "EPSG:26910", 4205, 15),
    "eskay creek, tables alone": ("eskay_creek_bc", "samples.csv", "deposits.csv", "EPSG:26910", 4205, 15),
    "mount painter": ("mount_painter_sa", "samples.csv", "deposits_cu.csv", "EPSG:28354", 746, 19),
    "mount painter, raw": ("mount_painter_sa", "samples_raw.csv", "occurrences.gpkg", "EPSG:28354", 1333, 50),
    "katanning": ("katanning_au_wa", "samples.csv", "deposits_au.csv", "EPSG:28350", 1392, 40),
    "katanning, raw": ("katanning_au_wa", "samples_raw.csv", "deposits_au.csv", "EPSG:28350", 1392, 40),
}


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_a_real_survey_is_taken_by_check_without_an_edit(data, tmp_path, capsys, name):
    folder, samples, deposits, crs, rows, elements = REAL[name]
    place, out = data / folder, tmp_path / "p.toml"
    arguments = ["--samples", str(place / samples), "--deposits", str(place / deposits)]
    for option, file in (("--geology", "geology.gpkg"), ("--faults", "faults.gpkg")):
        if (place / file).is_file() and "alone" not in name and "raw" not in name:
            arguments += [option, str(place / file)]
    assert cli.main(["init", *arguments, "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["guesses"]
    assert cli.main(["check", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["crs"] == crs
    assert found["data"]["samples"]["rows"] == rows
    assert found["sampling"]["kept"] == rows
    assert sum(row["left_out"] is None for row in found["elements"]) >= elements
    assert found["problems"] == []
    assert load_project(out).samples.x is not None
    assert found["data"]["deposits"]["inside"] > 30


def test_excluded_ground_and_tenure_are_taken_over_and_the_holder_is_guessed(files):
    lots = gpd.GeoDataFrame(
        {"ID": [1], "OWNER_NAME": ["Alpha"]}, geometry=[shapely.box(4e5, 4e6, 4.1e5, 4.1e6)]
    )
    lots.set_crs("EPSG:32650").to_file(files / "lots.gpkg")
    lots[["geometry"]].set_crs("EPSG:32650").to_file(files / "parks.gpkg")
    arguments = ["--samples", str(files / "samples.csv"), "--deposits", str(files / "deposits.csv")]
    for name in ("parks", "lots"):
        arguments += ["--exclude", str(files / f"{name}.gpkg")]
    out = files / "land.toml"
    assert cli.main(["init", *arguments, "--tenure", str(files / "lots.gpkg"), "--out", str(out)]) == 0
    project = load_project(out)
    assert [each.path for each in project.exclude] == ["parks.gpkg", "lots.gpkg"]
    assert [each.holder for each in project.tenure] == ["OWNER_NAME"]
    assert "# guess: by its name" in out.read_text(encoding="utf-8")
