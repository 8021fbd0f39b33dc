import dataclasses
import re
import subprocess
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossan.config import (
    LIMITS,
    Limit,
    Project,
    check_overrides,
    json_schema,
    load_project,
    located,
    new_project,
    settings_table,
    template,
    to_toml,
)
from gossan.config.load import toml_value
from gossan.config.settings import OPTIONAL, sections
from gossan.config.write import _meaning
from gossan.errors import MissingFileError, UsageError

MINIMAL = """
[project]
crs = "EPSG:32650"
[samples]
path = "samples.csv"
[deposits]
path = "deposits.csv"
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "jinshan.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def refusal(file, *overrides):
    with pytest.raises(UsageError) as caught:
        load_project(file, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_three_keys_are_enough_and_the_rest_has_the_rooms_defaults(write):
    project = load_project(write(MINIMAL))
    assert project.project.name == "jinshan"
    assert project.samples.path == "samples.csv"
    assert project.geology is None
    assert project.rasters == project.exclude == project.tenure == ()
    for name, room in sections():
        if name not in ("project", "samples", "deposits", *OPTIONAL):
            assert getattr(project, name) == room()


def test_values_take_their_place_and_lists_become_tuples(write):
    project = load_project(
        write(
            MINIMAL
            + """
            [interpolate]
            power = 3
            neighbours = 12
            [windows]
            size = 64
            strides = [64, 32]
            [[rasters]]
            path = "dem.tif"
            [[rasters]]
            path = "units.tif"
            kind = "class"
            [targets]
            threshold = 0.7
            """
        )
    )
    assert project.interpolate.power == 3.0
    assert isinstance(project.interpolate.power, float)
    assert project.interpolate.neighbours == 12
    assert project.windows.strides == (64, 32)
    assert [raster.kind for raster in project.rasters] == ["number", "class"]
    assert project.targets.threshold == 0.7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sampels]\npath = 'a'", "unknown key 'sampels'; did you mean 'samples'"),
        ("[windows]\nsiez = 3", "unknown key 'windows.siez'; did you mean 'windows.size'"),
        ("[model]\nseed = 3", "unknown key 'model.seed'; did you mean 'project.seed'"),
        ("[[rasters]]\npath = 'a'\nkid = 1", "unknown key 'rasters.0.kid'; did you mean 'rasters.0.kind'"),
        ("[windows]\nsize = '64'", 'windows.size = "64" is refused; it must be a whole number'),
        ("[windows]\nsize = 64.5", "windows.size = 64.5 is refused; it must be a whole number"),
        ("[windows]\nsize = true", "windows.size = true is refused; it must be a whole number"),
        ("[windows]\nstrides = [32, 'a']", 'windows.strides.1 = "a" is refused; it must be a whole number'),
        ("[windows]\nstrides = 32", "windows.strides = 32 is refused; it must be a list"),
        (
            "[interpolate]\nneighbours = 'some'",
            'interpolate.neighbours = "some" is refused; it must be a whole number or "all"',
        ),
        (
            "[balance]\nmethod = 'smoot'",
            'it must be "smote", "weights", "batches" or "none"',
        ),
        ("[interpolate]\npower = nan", "interpolate.power = nan is refused"),
        ("[geology]\nattribute = 'unit'", "geology.path is missing"),
        ("[faults]\npath = ''", "faults.path is empty"),
        ("windows = 3", "unknown key 'deposits.windows'; did you mean"),
        ("[windows]\nsize = 64\nsize_m = 800", "windows.size and windows.size_m are both given"),
        ("[model]\nname = 'resnet81'", 'unknown model.name = "resnet81"; did you mean'),
    ],
)
def test_a_wrong_key_or_value_is_refused_in_one_line_with_what_is_allowed(write, text, said):
    assert said in refusal(write(MINIMAL + text))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("interpolate.power", 0, "above 0"),
        ("windows.size", 15, "at least 16"),
        ("windows.min_valid", 0, "above 0 and at most 1"),
        ("windows.strides", [0], "at least 1"),
        ("balance.noise_variance", -0.1, "at least 0"),
        ("validation.folds", 2, "at least 3"),
        ("validation.inner", 2, "0 for none or at least 3"),
        ("validation.tune", 0, "at least 1"),
        ("barren.ratio", 0.5, "at least 1"),
        ("barren.quantile", 1, "at least 0 and below 1"),
        ("targets.budget", 1.01, "above 0 and at most 1"),
        ("targets.threshold", 1.5, "at least 0 and at most 1"),
        ("training.threads", 0, "at least 1"),
        ("project.resolution", -25, "above 0"),
    ],
)
def test_a_number_out_of_range_is_refused_with_its_range(write, key, value, said):
    message = refusal(write(MINIMAL), f"{key}={value}")
    assert f"{key} = " in message
    assert message.endswith(f"it must be {said}")


def test_the_fewest_folds_and_the_whole_budget_are_allowed(write):
    project = load_project(write(MINIMAL), ["validation.folds=3", "targets.budget=1"])
    assert (project.validation.folds, project.targets.budget) == (3, 1.0)


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "../up", "a\\b"])
def test_a_name_that_would_lead_out_of_its_folder_is_refused(write, name):
    message = refusal(write(MINIMAL), f"project.name={toml_value(name)}")
    assert message.startswith(f"project.name = {toml_value(name)} is refused")
    assert "give another project.name" in message


def test_a_key_of_the_project_that_no_file_says_is_unknown_there(write):
    assert "unknown key 'file'" in refusal(write(MINIMAL), "file=x")


def test_settings_are_checked_without_a_project():
    settings = check_overrides(["windows.size=32", "geology.attribute=unit", "rasters.1.band=2"])
    assert settings.windows.size == 32
    assert [raster.band for raster in settings.rasters][1] == 2
    for override, said in (
        ("windows.siez=32", "did you mean 'windows.size'"),
        ("windows.size=3", "at least 16"),
        ("project.crs=EPSG:4326", "is geographic"),
        ("rasters.9999.band=2", "there is no rasters.9999.band"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            check_overrides([override])


def test_a_new_project_is_checked_and_reads_back_with_its_rasters(tmp_path):
    values = {"project.crs": "EPSG:32650", "samples.path": "s.csv", "deposits.path": "d.csv"}
    overrides = ["rasters.0.path=a.tif", "rasters.1={path = 'b.tif', band = 2}", "windows.strides=[64, 32]"]
    file = tmp_path / "new.toml"
    file.write_text(new_project(values, overrides, name="new"), encoding="utf-8")
    written = load_project(file)
    assert [(raster.path, raster.band) for raster in written.rasters] == [("a.tif", 1), ("b.tif", 2)]
    assert written.windows.strides == (64, 32)
    assert 'crs = ""' in new_project(values | {"project.crs": ""}, name="new")
    with pytest.raises(UsageError, match=r"did you mean 'windows\.size'"):
        new_project(values, ["windows.siez=32"], name="new")


def test_all_problems_are_told_at_once(write):
    message = refusal(write(MINIMAL), "windows.size=2", "targets.budget=3")
    assert "windows.size" in message
    assert "targets.budget" in message


@pytest.mark.parametrize(
    ("crs", "said"),
    [
        ("EPSG:4326", "is geographic; give a projected CRS in metres such as EPSG:326xx"),
        ("EPSG:2263", "is in US survey foot; give a projected CRS in metres"),
        ("EPSG:99999999", "is no known coordinate system"),
        ("EPSG:4978", "is not projected"),
        ("", "is no known coordinate system"),
    ],
)
def test_the_crs_must_be_projected_in_metres(write, crs, said):
    assert said in refusal(write(MINIMAL.replace("EPSG:32650", crs)))


@pytest.mark.parametrize("gone", ["crs", "samples", "deposits"])
def test_what_is_required_is_named_when_it_is_missing(write, gone):
    data = tomllib.loads(MINIMAL)
    if gone == "crs":
        del data["project"]["crs"]
    else:
        del data[gone]
    text = "\n".join(
        f"[{name}]\n" + "\n".join(f"{key} = {toml_value(value)}" for key, value in section.items())
        for name, section in data.items()
    )
    key = "project.crs" if gone == "crs" else f"{gone}.path"
    assert f"{key} is missing" in refusal(write(text))


def test_a_missing_broken_or_foreign_file_is_refused_in_one_line(tmp_path, write):
    with pytest.raises(MissingFileError, match="does not exist"):
        load_project(tmp_path / "none.toml")
    assert "not valid TOML" in refusal(write("crs = "))
    assert "cannot be read" in refusal(tmp_path)
    file = tmp_path / "latin.toml"
    file.write_bytes(MINIMAL.encode() + b"# \xe9")
    assert "not UTF-8" in refusal(file)


def test_a_byte_order_mark_is_read_over(tmp_path):
    file = tmp_path / "bom.toml"
    file.write_text(MINIMAL, encoding="utf-8-sig")
    assert load_project(file).samples.path == "samples.csv"


def test_set_replaces_values_reads_bare_words_and_is_recorded(write):
    overrides = ["model.name=mfaf-shufflenet-v2", "windows.size=32", "rasters.0.path='dem.tif'"]
    overrides += ["rasters.1.path=b.tif", "rasters.0.band=2", "samples.elements=['Cu', 'Au']"]
    overrides += ["faults.path=f=1"]
    project = load_project(write(MINIMAL), overrides)
    assert project.model.name == "mfaf-shufflenet-v2"
    assert project.windows.size == 32
    assert [raster.path for raster in project.rasters] == ["dem.tif", "b.tif"]
    assert project.rasters[0].band == 2
    assert project.samples.elements == ("Cu", "Au")
    assert project.faults is not None
    assert project.faults.path == "f=1"
    assert project.overrides == tuple(overrides)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("windows.size", "give key=value"),
        ("=3", "give key=value"),
        ("windows..size=3", "give key=value"),
        ("rasters.1.path=a", "lists count from 0"),
        ("samples.path.deep=a", "there is no samples.path.deep"),
        ("windows.siz=3", "did you mean 'windows.size'"),
        ("windows.size=32\nmodel.name=x", "windows.size = "),
    ],
)
def test_a_wrong_set_is_refused(write, override, said):
    assert said in refusal(write(MINIMAL), override)


def test_paths_start_from_data_with_variables_and_home_expanded(write, tmp_path, monkeypatch):
    monkeypatch.setenv("GOSSAN_DATA", str(tmp_path / "surveys"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = write(MINIMAL)
    assert load_project(file).resolve("a.csv") == tmp_path / "a.csv"
    project = load_project(file, ["project.data=$GOSSAN_DATA/eskay"])
    assert project.resolve("a.csv") == tmp_path / "surveys" / "eskay" / "a.csv"
    assert project.resolve("${GOSSAN_DATA}/b.csv") == tmp_path / "surveys" / "b.csv"
    assert project.resolve("~/c.csv") == tmp_path / "home" / "c.csv"
    assert load_project(file, ["project.data=sub"]).resolve("../d.csv") == tmp_path / "d.csv"


def test_an_unset_variable_is_refused_by_name(write, monkeypatch):
    monkeypatch.delenv("GOSSAN_DATA", raising=False)
    project = load_project(write(MINIMAL), ["project.data=$GOSSAN_DATA"])
    with pytest.raises(UsageError, match="GOSSAN_DATA is not set"):
        project.resolve("a.csv")


def full(file) -> Project:
    settings = ["geology.path=g.gpkg", "faults.path=f.gpkg", "rasters.0.path=a.tif", "rasters.1.path=b.tif"]
    settings += ["windows.strides=[64, 32]", "interpolate.neighbours=8", "project.area=area.gpkg"]
    return load_project(file, settings)


def test_the_resolved_project_reads_back_as_itself(write, tmp_path):
    for project in (load_project(write(MINIMAL)), full(write(MINIMAL))):
        copy = tmp_path / "copy" / "project.toml"
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(to_toml(project), encoding="utf-8")
        again = load_project(copy)
        assert dataclasses.replace(again, file=project.file, overrides=project.overrides) == project


def test_located_makes_every_path_absolute_so_that_the_file_can_move(write, tmp_path):
    project = full(write(MINIMAL))
    copy = tmp_path / "elsewhere" / "project.toml"
    copy.parent.mkdir()
    copy.write_text(to_toml(located(project)), encoding="utf-8")
    again = load_project(copy)
    assert again.resolve(again.samples.path) == project.resolve("samples.csv")
    assert [raster.path for raster in again.rasters] == [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    assert again.project.area == str(tmp_path / "area.gpkg")


@given(st.one_of(st.text(), st.integers(), st.booleans(), st.floats(), st.lists(st.text()).map(tuple)))
def test_a_written_value_is_toml_that_reads_back_the_same(value):
    found = tomllib.loads(f"value = {toml_value(value)}")["value"]
    assert repr(found) == repr(list(value) if isinstance(value, tuple) else value)


def test_the_template_is_a_project_file_whose_comments_are_the_defaults(tmp_path):
    given_values = {"project.crs": "EPSG:32650", "samples.path": "s.csv", "deposits.path": "d.csv"}
    file = tmp_path / "project.toml"
    file.write_text(template(given_values), encoding="utf-8")
    plain = load_project(file)
    used = re.sub(r"^# \[(?s:.*?)(?=^\[|\Z)", "", file.read_text(encoding="utf-8"), flags=re.M)
    file.write_text(re.sub(r"^# (\w+ = .+)$", r"\1", used, flags=re.M), encoding="utf-8")
    assert "\npower = 2.0\n" in file.read_text(encoding="utf-8")
    assert dataclasses.replace(load_project(file), project=plain.project) == plain


def test_the_template_names_every_key_and_fills_in_optional_sources():
    text = template({"geology.path": "g.gpkg", "rasters.path": "r.tif"})
    assert "[geology]\n" in text
    assert "\n[[rasters]]\n" in text
    assert "\n# [faults]\n" in text
    for _, room in sections():
        for field in dataclasses.fields(room):
            assert f"{field.name} =" in text
    assert 'crs = ""  # required' in text
    with pytest.raises(UsageError, match="unknown keys samples"):
        template({"samples.pth": "a"})


def test_the_schema_refuses_unknown_keys_and_carries_ranges_and_meanings():
    schema = json_schema()
    windows = schema["$defs"]["WindowSettings"]
    assert windows["additionalProperties"] is False
    assert {"type": "integer", "minimum": 16} in windows["properties"]["size"]["anyOf"]
    assert schema["required"] == ["project", "samples", "deposits"]
    crs = schema["$defs"]["ProjectSettings"]["properties"]["crs"]
    assert crs["description"].startswith("Coordinate reference")
    assert schema["$defs"]["TargetSettings"]["properties"]["budget"]["maximum"] == 1


def test_the_table_has_a_row_for_every_key():
    table = settings_table()
    for _, room in sections():
        for field in dataclasses.fields(room):
            assert f"| `{field.name}` |" in table
    assert "| `crs` | text in quotes | *required* |" in table


def test_every_key_has_a_meaning_in_its_rooms_docstring():
    bare = [f"{name}.{field.name}" for name, room in sections() for field in dataclasses.fields(room)]
    bare = [key for key in bare if not _meaning(dict(sections())[key.split(".")[0]], key.split(".")[1])]
    assert bare == []


def test_every_limit_is_of_a_key_that_exists_and_every_default_keeps_to_it():
    rooms = dict(sections())
    for key, limit in LIMITS.items():
        section, name = key.split(".")
        default = {field.name: field.default for field in dataclasses.fields(rooms[section])}[name]
        for value in default if isinstance(default, tuple) else (default,):
            assert not isinstance(value, int | float) or value in limit, key


def test_every_number_has_a_limit():
    free = {
        f"{name}.{field.name}"
        for name, room in sections()
        for field in dataclasses.fields(room)
        if re.search(r"\b(int|float)\b", str(field.type))
    }
    assert free - set(LIMITS) == set()


def test_limits_say_and_hold_their_bounds():
    assert 0.0 not in Limit(over=0)
    assert 1 in Limit(least=0, most=1)
    assert 1 not in Limit(least=0, under=1)
    assert str(Limit(over=0, most=1)) == "above 0 and at most 1"


def test_reading_a_project_loads_no_torch(write):
    file = write(MINIMAL)
    code = f"import sys, gossan.config as c; c.load_project({str(file)!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
