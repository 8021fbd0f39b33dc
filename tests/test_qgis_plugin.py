"""The plugin of QGIS: what needs no QGIS, and then the whole of it in QGIS, headless."""

import ast
import configparser
import io as python_io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gossan import __version__, cli, io, qgis
from gossan.qgis.gossan_processing import program
from gossan.synthetic import laboratory_table, synthetic_survey
from test_soak import SMALL

HERE = Path(qgis.__file__).with_name("gossan_processing")
HOWTO = Path(__file__).parents[1] / "docs" / "howto.md"


class Feedback:
    """Notes what it is told; cancels as soon as it was told a line."""

    def __init__(self, until=None):
        self.told, self.until, self.is_canceled = [], until, False

    def pushInfo(self, line):  # noqa: N802
        self.told.append(("info", line))
        self.is_canceled = self.is_canceled or line == self.until

    def pushWarning(self, line):  # noqa: N802
        self.told.append(("warning", line))

    def reportError(self, line):  # noqa: N802
        self.told.append(("error", line))

    def setProgress(self, share):  # noqa: N802
        self.told.append(("progress", share))

    def setProgressText(self, line):  # noqa: N802
        self.told.append(("doing", line))

    def isCanceled(self):  # noqa: N802
        return self.is_canceled


def run(code, feedback=None, environment=None, page=""):
    command = [sys.executable, "-c", code]
    return program.run_program(command, feedback or Feedback(), environment or os.environ, page)


# ---- what is packed


def test_the_plugin_needs_nothing_but_python_39_and_qgis():
    allowed = {*sys.stdlib_module_names, "qgis", "processing", "gossan_processing"}
    for file in HERE.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
        names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        ]
        assert {name.split(".")[0] for name in names} <= allowed
        assert "annotations" in file.read_text(encoding="utf-8")  # types are not evaluated
    network = ("urllib", "http", "socket", "ssl", "QtNetwork")
    assert not any(word in file.read_text(encoding="utf-8") for file in HERE.glob("*.py") for word in network)


def test_the_zip_is_one_that_qgis_installs():
    packed = qgis.plugin_zip("/opt/gossan/bin/gossan")
    assert packed == qgis.plugin_zip("/opt/gossan/bin/gossan")
    with zipfile.ZipFile(python_io.BytesIO(packed)) as file:
        names = file.namelist()
        assert {name.split("/")[0] for name in names} == {"gossan_processing"}
        assert {Path(name).name for name in names} == {
            *(path.name for path in HERE.glob("*.py")),
            *("metadata.txt", "program.txt"),
        }
        assert file.read("gossan_processing/program.txt") == b"/opt/gossan/bin/gossan"
        described = configparser.ConfigParser()
        described.read_string(file.read("gossan_processing/metadata.txt").decode())
    about = described["general"]
    needed = ("name", "description", "about", "version", "qgisMinimumVersion", "author")
    assert all(about[key] for key in needed)
    assert (about["version"], about["hasProcessingProvider"]) == (__version__, "yes")


def test_the_program_packs_the_plugin_and_itself(tmp_path, capsys):
    assert cli.main(["qgis-plugin", "--out", str(tmp_path / "plugin.zip"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    with zipfile.ZipFile(tmp_path / "plugin.zip") as file:
        assert file.read("gossan_processing/program.txt").decode() == told["program"]
    assert not told["program"] or os.access(told["program"], os.X_OK)


# ---- the program as a process


def test_what_qgis_sets_for_itself_does_not_reach_the_program():
    mine = {"PATH": "/bin", "HOME": "/home/me", "OMP_NUM_THREADS": "1"}
    of_qgis = dict.fromkeys(("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "PROJ_LIB", "PROJ_DATA"), "/qgis")
    of_qgis |= dict.fromkeys(("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "GDAL_DRIVER_PATH"), "/qgis")
    kept = program.own_environment(mine | of_qgis)
    assert "/qgis" not in kept.values()
    assert mine.items() <= kept.items()
    code = "import os; print(os.environ.get('PYTHONPATH'), os.environ['GOSSAN_PROGRESS'])"
    assert run(code, environment={**os.environ, "PYTHONPATH": "/qgis"}) == ["None lines"]


def test_the_program_is_found_by_variable_then_setting_then_path(tmp_path):
    for name in ("variable", "setting", "gossan"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    by_variable, by_setting, by_path = (str(tmp_path / name) for name in ("variable", "setting", "gossan"))
    here = {"PATH": str(tmp_path)}
    assert program.find_program(by_setting, {**here, "GOSSAN_PROGRAM": by_variable}) == by_variable
    assert program.find_program(by_setting, here) == by_setting
    assert program.find_program("", here) == by_path
    for setting, path in (("/nowhere/gossan", here), ("", {"PATH": "/nowhere"})):
        with pytest.raises(program.ProgramError, match=r"Options > Processing > .*GOSSAN_PROGRAM$") as error:
            program.find_program(setting, path)
        assert str(error.value).startswith(f"{setting or 'gossan'} is no program")


def test_lines_are_shown_where_they_belong():
    said = [
        "progress: 0.250 fit",
        "warning: 2 rows dropped",
        "progress: 0.500 fit",
        "targets: 8",
        "report: a",
    ]
    feedback = Feedback()
    lines = run("\n".join(f"print({line!r})" for line in [*said, "report: á/b"]), feedback)
    assert lines == ["warning: 2 rows dropped", "targets: 8", "report: a", "report: á/b"]
    assert feedback.told == [
        *(("progress", 25.0), ("doing", "fit"), ("warning", "2 rows dropped"), ("progress", 50.0)),
        *(("info", "targets: 8"), ("info", "report: a"), ("info", "report: á/b")),
    ]
    assert program.said(lines, "report") == "á/b"
    assert program.said(lines, "prediction") == ""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('reading'); sys.exit('error: 3 ore windows given; 4 are needed')", "3 ore windows given; 4"),
        ("print('error: one'); print('error: two'); sys.exit(3)", "one\ntwo"),
        ("print('Segmentation'); sys.exit(9)", "ended with exit code 9: Segmentation"),
        ("sys.exit(9)", "ended with exit code 9: it said nothing"),
    ],
)
def test_an_exit_code_is_an_error_with_the_programs_own_line(code, said):
    feedback = Feedback()
    with pytest.raises(program.ProgramError) as error:
        run(f"import sys; {code}", feedback)
    assert said in str(error.value)
    assert not any("error" in line for _, line in feedback.told)


@pytest.mark.parametrize("before", [True, False])
def test_a_page_written_with_exit_code_3_is_kept_and_the_errors_are_shown(tmp_path, before):
    """As `gossan check` ends where no run can be made; a page that lay there before is not taken for it."""
    page = tmp_path / "page.html"
    if before:
        page.write_text("of another survey")
    code = f"import os; open({str(tmp_path / 'new')!r}, 'w').write('page');"
    code += f"os.replace({str(tmp_path / 'new')!r}, {str(page)!r});"
    refuse = "print('camps: 2'); print('error: 2 camps; 3 are needed'); raise SystemExit(3)"
    feedback = Feedback()
    assert run(code + refuse, feedback, page=str(page)) == ["camps: 2", "error: 2 camps; 3 are needed"]
    told = [("info", "camps: 2"), ("error", "2 camps; 3 are needed"), ("error", program._MEANING)]
    assert feedback.told == told
    assert page.read_text() == "page"
    for wrong in (refuse, code + refuse.replace("(3)", "(2)")):
        with pytest.raises(program.ProgramError, match=r"^2 camps; 3 are needed$"):
            run(wrong, page=str(page))


def test_what_cannot_be_started_is_an_error(tmp_path):
    (tmp_path / "gossan").write_text("#!/nowhere/python\n")
    (tmp_path / "gossan").chmod(0o755)
    with pytest.raises(program.ProgramError, match="gossan cannot be started"):
        program.run_program([str(tmp_path / "gossan")], Feedback(), os.environ)


def test_cancelling_interrupts_the_program_and_is_no_error():
    code = (
        "import sys, time\n"
        "try:\n    print('started', flush=True)\n    time.sleep(30)\n"
        "except KeyboardInterrupt:\n    print('interrupted; the same command goes on from here')\n"
        "    sys.exit(130)"
    )
    lines = run(code, Feedback(until="started"))
    assert lines == ["started", "interrupted; the same command goes on from here"]


def test_a_program_that_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(program, "_PATIENCE", 0.1)
    code = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('started', flush=True);"
        "time.sleep(30); print('ended')"
    )
    assert run(code, Feedback(until="started")) == ["started"]


# ---- QGIS itself


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A profile of QGIS with the plugin, a survey, and the program: a script that starts this package."""
    if not shutil.which("qgis_process"):
        pytest.skip("no QGIS")
    folder = tmp_path_factory.mktemp("qgis")
    folder.chmod(0o700)
    survey = synthetic_survey(3, size=160, resolution=243.75, samples=400)
    io.write_survey(survey, folder, table=laboratory_table(survey), settings=SMALL)
    (folder / "poison").mkdir()  # on QGIS's PYTHONPATH: no gossan that inherits it gets far
    (folder / "poison" / "typer.py").write_text("raise ImportError('this is the Python of QGIS')\n")
    assert cli.main(["qgis-plugin", "--out", str(folder / "plugin.zip")]) == 0
    with zipfile.ZipFile(folder / "plugin.zip") as file:
        file.extractall(folder / "profiles" / "default" / "python" / "plugins")
    source = Path(qgis.__file__).parents[2]
    start = f'PYTHONPATH="{source}" exec "{sys.executable}" -m gossan "$@"'
    # Debian 12's own script gives the program an option that it does not know
    whole = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
    lines = {"gossan": start, "qgis_process": f'exec "{whole}" "$@"'}
    lines["finished"] = (
        'echo "report: runs/project/report.html"'  # what a run says that has nothing left to do
    )
    for name, line in lines.items():
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / "bin" / name).chmod(0o755)
    return folder


def in_qgis(place, *command, **more):
    """Run a command where the plugin is installed, as QGIS's own environment is."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {
        **plain,
        "PATH": f"{place / 'bin'}:/usr/bin:/bin",
        "QGIS_CUSTOM_CONFIG_PATH": str(place),
        "HOME": str(place),
        "XDG_RUNTIME_DIR": str(place),
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": str(place / "poison"),
        "GOSSAN_PROGRAM": str(place / "bin" / "gossan"),
        "OMP_NUM_THREADS": "1",
        **more,
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place, env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def ran(place):
    """What the commands of the how-to said."""
    said = []
    commands = re.findall(r"^(qgis_process .*)$", HOWTO.read_text(encoding="utf-8"), flags=re.M)
    assert len(commands) == 2
    for command in commands:
        code, out, err = in_qgis(place, "sh", "-c", command)
        assert code == 0, err
        said.append(out)
    return said


@pytest.mark.qgis
def test_qgis_lists_the_algorithms(place, ran):
    _, out, _ = in_qgis(place, "qgis_process", "list")
    assert {"gossan:init", "gossan:check", "gossan:run", "gossan:predict"} == set(
        re.findall(r"gossan:\w+", out)
    )


@pytest.mark.qgis
def test_a_run_in_qgis_is_the_run_of_the_command_line(place, ran):
    made = place / "runs" / "project"
    code, _, err = in_qgis(place, "gossan", "run", "project.toml", "--out", "by_hand", PYTHONPATH="")
    assert code == 0, err
    for name in ("prospectivity.tif", "targets.csv", "metrics.json", "report.html"):
        assert (made / name).read_bytes() == (place / "by_hand" / name).read_bytes()
    outputs = dict(re.findall(r"^([A-Z_]+):\t(.+)$", ran[1].partition("Results")[2], flags=re.M))
    assert outputs.pop("SCORE") == str(made / "prospectivity.tif")
    assert outputs.pop("TARGETS") == f"{made / 'targets.gpkg'}|layername=targets"
    assert outputs.pop("FOLDER") == str(made)
    assert outputs.keys() == {"REPORT", "QGIS_PROJECT", "APPLICABILITY", "AREAS", "DEPOSITS", "FAULTS"}
    assert all(Path(path.partition("|")[0]).is_file() for path in outputs.values())
    assert "writing the maps and the report" in ran[1]
    assert "...50" in ran[1]  # the progress of QGIS


def loaded(place, algorithm, parameters, **more):
    python = shutil.which("python3", path="/usr/bin")
    loader = str(Path(__file__).with_name("qgis_loader.py"))
    plugins = str(place / "profiles" / "default" / "python" / "plugins")
    code, out, err = in_qgis(place, python, loader, plugins, algorithm, json.dumps(parameters), **more)
    assert code == 0, err
    return json.loads(out[out.index('{"results"') :])


@pytest.mark.qgis
def test_what_a_run_made_is_loaded_in_its_own_style(place, ran):
    parameters = {"PROJECT": "project.toml", "FOLDER": "runs/project"}
    said = loaded(place, "gossan:run", parameters, GOSSAN_PROGRAM=str(place / "bin" / "finished"))
    layers = {layer["name"]: layer for layer in said["layers"]}
    assert list(layers)[:4] == ["Targets", "Faults", "Known deposits", "Areas"]  # the uppermost first
    assert set(layers) == {*list(layers)[:4], "Score", "Dissimilarity"}
    assert all(layer["valid"] for layer in layers.values())
    assert all(layer["look"] == layer["own_look"] for layer in layers.values())
    assert "very high (best 5 %)" in layers["Score"]["look"]
    assert layers["Targets"]["look"].endswith("True")  # with their numbers
    assert {layer["source"] for layer in layers.values()} <= set(said["results"].values())


@pytest.mark.qgis
def test_check_init_and_predict_run_too(place, ran):
    start = ("qgis_process", "run")
    code, out, err = in_qgis(place, *start, "gossan:check", "--", "PROJECT=project.toml", "OUTPUT=look.html")
    assert (code, (place / "look.html").read_text(encoding="utf-8")[:9].lower()) == (0, "<!doctype"), err
    assert "Anomaly thresholds" in out
    assert "WARNING:\t7 camps are not enough to evaluate" in err + out
    given = ("SAMPLES=samples.csv", "DEPOSITS=deposits.csv", "FAULTS=faults.gpkg", "CRS=EPSG:32650")
    code, out, err = in_qgis(place, *start, "gossan:init", "--", *given, "OUTPUT=new.toml")
    assert code == 0, err
    assert 'crs = "EPSG:32650"' in (place / "new.toml").read_text(encoding="utf-8")
    assert "guess: samples.x" in out
    parameters = {"RUN": "runs/project", "PROJECT": "project.toml", "OUTPUT": str(place / "other.tif")}
    said = loaded(place, "gossan:predict", parameters)
    assert [layer["source"] for layer in said["layers"]] == list(said["results"].values())[::-1]
    assert sorted(said["results"]) == ["APPLICABILITY", "OUTPUT"]
    assert all(layer["look"] == layer["own_look"] for layer in said["layers"])


@pytest.mark.qgis
def test_the_page_of_a_project_that_no_run_can_be_made_of_is_kept(place):
    project = (place / "project.toml").read_text(encoding="utf-8")
    changed, count = re.subn(r"(?m)^size = 16$", "size = 400", project)
    assert count == 1
    (place / "impossible.toml").write_text(changed, encoding="utf-8")
    start = ("qgis_process", "run", "gossan:check", "--")
    code, out, err = in_qgis(place, *start, "PROJECT=impossible.toml", "OUTPUT=impossible.html")
    assert code == 0, err
    assert f"OUTPUT:\t{place / 'impossible.html'}" in out
    assert "</html>" in (place / "impossible.html").read_text(encoding="utf-8")
    errors = [line for line in err.splitlines() if line.startswith("ERROR:")]
    assert len(errors) == 2
    assert "exit code 3" in errors[1]


@pytest.mark.qgis
def test_errors_are_the_one_line_of_the_program_or_say_what_to_set(place, ran):
    start = ("qgis_process", "run", "gossan:run", "--")
    code, _, err = in_qgis(place, *start, "PROJECT=nothing.toml")
    missing = f"project file {place / 'nothing.toml'} does not exist; `gossan init` writes one"
    assert code != 0
    assert f"ERROR:\t{missing}" in err.splitlines()
    (place / "wrong.toml").write_text("[project]\nsize = 3\n")
    code, _, err = in_qgis(place, *start, "PROJECT=wrong.toml", "FOLDER=wrong")
    (line,) = [line for line in err.splitlines() if line.startswith("ERROR:")]
    assert code != 0
    assert "size" in line
    assert "Traceback" not in err
    assert not (place / "wrong").exists()
    code, _, err = in_qgis(place, *start, "PROJECT=project.toml", GOSSAN_PROGRAM="/nowhere/gossan")
    assert code != 0
    assert "ERROR:\t/nowhere/gossan is no program that can be started" in err
    assert "GOSSAN_PROGRAM" in err
