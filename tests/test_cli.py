import contextlib
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from gossan import cli
from gossan.config import load_project
from gossan.errors import DataError, DataWarning, RunError
from gossan.pipeline import draft_project

COMMANDS = ("demo", "init", "check", "run", "predict", "report", "doctor", "qgis-plugin")
MINIMAL = '[project]\ncrs = "EPSG:32650"\n[samples]\npath = "s.csv"\n[deposits]\npath = "d.csv"\n'


@pytest.fixture
def project(tmp_path):
    file = tmp_path / "jinshan.toml"
    file.write_text(MINIMAL, encoding="utf-8")
    return file


class Pipeline(types.ModuleType):
    """Stands in for `gossan.pipeline`; notes how it was called, and raises what it is told to."""

    def __init__(self):
        super().__init__("gossan.pipeline")
        self.calls = []
        self.error = None
        self.problems = []

    def _made(self, *call):
        self.calls.append(call)
        if self.error:
            raise self.error
        auc = {"mean": 0.8123, "ci95": [0.7, 0.9]}
        metrics = {
            "model": "mfaf-resnet18",
            "camps": 12,
            "summary": {"auc": auc, "brier": np.float64("nan")},
            "rivals": {"random-forest": {"auc": {"mean": 0.7, "ci95": None}}},
        }
        return types.SimpleNamespace(folder=Path("runs/jinshan"), metrics=metrics, targets=[1, 2, 3])

    def run(self, project, out=None, *, jobs=None, scheduler=None, cluster=None, on_progress=None):
        self.where = (scheduler, cluster)
        on_progress(0.5, 90.0, "fit [bold]fold 1")
        warnings.warn("2 rows dropped", DataWarning, stacklevel=1)
        warnings.warn("2 rows dropped", DataWarning, stacklevel=1)
        warnings.warn("a library grumbles", FutureWarning, stacklevel=1)
        return self._made("run", project, out, jobs)

    def demo(self, out, *, overrides=(), jobs=None, on_progress=None):
        return self._made("demo", out, overrides, jobs)

    def look_at(self, project):
        self._made("check", project)
        found = {
            "format": 1,
            "grid": {"rows": 7, "spacing": float("nan")},
            "camps": 3,
            "warnings": ["few camps"],
            "problems": self.problems,
        }
        return types.SimpleNamespace(found=found)

    draft_project = staticmethod(draft_project)

    def draw_look(self, look):
        return f"<html>{look.found['camps']} camps</html>"

    def predict(self, model_run, project, out=None, *, on_progress=None):
        self._made("predict", model_run, project, out)
        return Path("p.tif")


@pytest.fixture
def pipeline(monkeypatch):
    import gossan

    fake = Pipeline()
    monkeypatch.setitem(sys.modules, "gossan.pipeline", fake)
    monkeypatch.setattr(gossan, "pipeline", fake, raising=False)
    return fake


def test_run_hands_over_the_project_its_folder_and_its_overrides(pipeline, project, capsys):
    code = cli.main(["run", str(project), "--out", "x", "--jobs", "3", "--set", "windows.size=32"])
    assert code == 0
    _, checked, out, jobs = pipeline.calls[0]
    assert (checked.windows.size, checked.overrides, out, jobs) == (32, ("windows.size=32",), Path("x"), 3)
    shown = capsys.readouterr()
    assert "mfaf-resnet18: 0.81 (0.70 to 0.90)" in shown.out
    assert "random-forest: 0.70 (no interval)" in shown.out
    assert shown.out.splitlines()[-1] == "report: runs/jinshan/report.html"


def test_json_is_one_object_on_stdout_without_nan_and_everything_else_on_stderr(pipeline, project, capsys):
    assert cli.main(["run", str(project), "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert found["format"] == 1
    assert found["metrics"]["summary"]["brier"] is None
    assert found["targets"] == 3
    assert "warning" not in shown.out


def test_our_warnings_are_lines_shown_once_and_a_librarys_stay_unseen(pipeline, project, capsys):
    cli.main(["run", str(project)])
    assert capsys.readouterr().err == "warning: 2 rows dropped\n"
    cli.main(["run", str(project), "--debug"])
    assert "FutureWarning: a library grumbles" in capsys.readouterr().err


def test_progress_is_quiet_when_piped_and_tells_the_time_left_on_a_terminal(
    pipeline, project, capsys, monkeypatch
):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    cli.main(["run", str(project)])
    assert "2 min left, fit [bold]fold 1" in screen.getvalue()


def test_progress_comes_as_lines_where_another_program_asks_for_it(pipeline, project, capsys, monkeypatch):
    monkeypatch.setenv("GOSSAN_PROGRESS", "lines")
    assert cli.main(["run", str(project)]) == 0
    assert capsys.readouterr().err == "progress: 0.500 fit [bold]fold 1\nwarning: 2 rows dropped\n"


def test_no_color_leaves_colours_out(pipeline, project, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    cli.main(["run", str(project)])
    assert "\x1b[3" not in screen.getvalue()
    assert "fold 1" in screen.getvalue()


class TerminalOut(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_tables_and_no_colour_where_none_is_wanted(
    pipeline, project, capsys, monkeypatch, no_color
):
    screen = TerminalOut()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    assert cli.main(["run", str(project)]) == 0
    assert cli.main(["doctor"]) == 0
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    assert re.search(r"mfaf-resnet18 +0\.81 +0\.70 to 0\.90", shown)
    assert re.search(r"random-forest +0\.70 +no interval", shown)
    assert "report: runs/jinshan/report.html" in shown
    assert re.search(r"numpy +\d", shown)
    assert ("\x1b[3" in screen.getvalue()) != no_color
    screen.truncate(0)
    assert cli.main(["run", str(project), "--json"]) == 0
    assert json.loads(screen.getvalue().strip("\0"))["targets"] == 3


def test_the_places_of_the_work_are_handed_over(pipeline, project):
    assert cli.main(["run", str(project), "--scheduler", "tcp://h:1"]) == 0
    assert pipeline.where == ("tcp://h:1", None)
    assert cli.main(["run", str(project), "--cluster", "c.toml"]) == 0
    assert pipeline.where == (None, Path("c.toml"))


def test_demo_runs_with_a_default_folder(pipeline, capsys):
    assert cli.main(["demo", "--set", "training.epochs=1"]) == 0
    assert pipeline.calls == [("demo", Path("demo"), ["training.epochs=1"], None)]


def test_check_prints_tables_its_warnings_and_a_file(pipeline, project, capsys, tmp_path):
    assert cli.main(["check", str(project), "--out", str(tmp_path / "check.json")]) == 0
    shown = capsys.readouterr()
    assert re.search(r"Camps of deposits in the areas +3", shown.out)
    assert shown.err == "warning: few camps\n"
    found = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert found["grid"] == {"rows": 7, "spacing": None}


def test_check_writes_a_page_where_html_is_asked_for(pipeline, project, capsys, tmp_path):
    assert cli.main(["check", str(project), "--out", str(tmp_path / "check.html"), "--json"]) == 0
    assert (tmp_path / "check.html").read_text(encoding="utf-8") == "<html>3 camps</html>"
    assert json.loads(capsys.readouterr().out)["camps"] == 3


def test_check_ends_with_3_on_a_problem_and_under_strict_on_a_warning(pipeline, project, capsys):
    assert cli.main(["check", str(project), "--strict", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["warnings"] == ["few camps"]
    pipeline.problems = ["no folds can be made"]
    assert cli.main(["check", str(project), "--json"]) == 3
    shown = capsys.readouterr()
    assert json.loads(shown.out)["problems"] == ["no folds can be made"]
    assert shown.err.splitlines()[-1] == "error: no folds can be made"


def test_predict_takes_the_run_and_the_project(pipeline, project, capsys):
    assert cli.main(["predict", "--model", "runs/a", "--on", str(project), "--json"]) == 0
    assert pipeline.calls[0][1] == Path("runs/a")
    assert json.loads(capsys.readouterr().out) == {"format": 1, "prediction": "p.tif"}


@pytest.fixture
def report(monkeypatch):
    importlib.import_module("gossan.report.survey")  # a part of it that stays real
    fake = types.ModuleType("gossan.report")

    def write_report(folder, pool):
        assert pool == "processes"
        (folder / "report.html").write_text("page", encoding="utf-8")
        return folder / "report.html"

    fake.drawing, fake.write_report = lambda jobs: contextlib.nullcontext("processes"), write_report
    monkeypatch.setitem(sys.modules, "gossan.report", fake)


def test_report_writes_the_page_again_and_copies_it(report, tmp_path):
    copy = tmp_path / "new" / "folder" / "copy.html"
    assert cli.main(["report", str(tmp_path), "--out", str(copy)]) == 0
    assert copy.read_text(encoding="utf-8") == "page"


@pytest.mark.parametrize("command", ["report", "doctor", "qgis-plugin"])
def test_what_computes_nothing_checks_a_setting_and_says_it_has_no_effect(report, tmp_path, capsys, command):
    more = {"report": [str(tmp_path)], "qgis-plugin": ["--out", str(tmp_path / "plugin.zip")]}
    arguments = [command, *more.get(command, [])]
    assert cli.main([*arguments, "--set", "windows.size=32"]) == 0
    assert "warning: --set windows.size=32 has no effect here" in capsys.readouterr().err
    for wrong, said in (
        ("windows.siez=32", "did you mean 'windows.size'"),
        ("windows.size=3", "at least 16"),
    ):
        assert cli.main([*arguments, "--json", "--set", wrong]) == 2
        found = json.loads(capsys.readouterr().out)
        assert said in found["error"]
        assert found["exit_code"] == 2


@pytest.mark.parametrize("command", ["init", "check", "doctor", "report", "qgis-plugin"])
@pytest.mark.parametrize("place", ["FILE/below.json", "FOLDER", "."])
def test_an_out_that_cannot_be_written_is_one_object_and_ends_with_2(
    pipeline, report, project, tmp_path, capsys, command, place
):
    (tmp_path / "s.csv").touch()
    (tmp_path / "folder").mkdir()
    out = place.replace("FILE", str(tmp_path / "s.csv")).replace("FOLDER", str(tmp_path / "folder"))
    source = str(tmp_path / "s.csv")
    arguments = {
        "init": ["--samples", source, "--deposits", source],
        "check": [str(project)],
        "doctor": [],
        "qgis-plugin": [],
        "report": [str(tmp_path)],
    }
    assert cli.main([command, *arguments[command], "--out", out, "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == 2
    assert out in found["error"]
    assert command == "init" or "give another" in found["error"]
    assert list((tmp_path / "folder").iterdir()) == []
    assert not list(tmp_path.glob(".*part*"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("3 ore windows given,\nat least 4 are needed"), 3),
        (RunError("task fit failed"), 1),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(pipeline, project, capsys, error, code):
    pipeline.error = error
    assert cli.main(["run", str(project)]) == code
    shown = capsys.readouterr()
    (line,) = [line for line in shown.err.splitlines() if not line.startswith("warning")]
    assert line.startswith("error: ")
    assert shown.out == ""


def test_debug_shows_the_traceback_with_the_one_of_the_task(pipeline, project, capsys):
    pipeline.error = RunError("task fit failed")
    pipeline.error.add_note("Traceback of the worker")
    cli.main(["run", str(project), "--debug"])
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert "Traceback of the worker" in shown


def test_with_json_an_error_is_an_object_too(pipeline, project, capsys):
    pipeline.error = DataError("no deposit inside")
    assert cli.main(["run", str(project), "--json"]) == 3
    expected = {"format": 1, "error": "no deposit inside", "exit_code": 3}
    assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["rum"],
        ["run"],
        ["run", "none.toml"],
        ["run", "PROJECT", "--jobs", "0"],
        ["run", "PROJECT", "--jbos", "2"],
        ["run", "PROJECT", "--set", "windows.size=3"],
        ["run", "PROJECT", "--set", "windws.size=64"],
        ["init", "--samples", "none.csv", "--deposits", "none.csv", "--out", "none.toml"],
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(pipeline, project, capsys, arguments):
    given = [str(project) if argument == "PROJECT" else argument for argument in arguments]
    assert cli.main(given) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert pipeline.calls == []


def test_an_interruption_ends_with_130(pipeline, project, capsys):
    pipeline.error = KeyboardInterrupt()
    assert cli.main(["run", str(project), "--json"]) == 130
    shown = capsys.readouterr()
    assert "interrupted" in shown.err
    assert json.loads(shown.out).items() >= {"format": 1, "exit_code": 130}.items()


def test_ctrl_c_ends_the_program_with_130_and_no_traceback(tmp_path, project):
    code = (
        "import sys, time, types, gossan\n"
        "from gossan import cli\n"
        "fake = types.ModuleType('gossan.pipeline')\n"
        "def run(*_, **__):\n"
        "    print('started', flush=True)\n"
        "    time.sleep(30)\n"
        "fake.run = run\n"
        "sys.modules['gossan.pipeline'] = gossan.pipeline = fake\n"
        f"sys.exit(cli.main(['run', {str(project)!r}]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors == "interrupted; the same command goes on from here\n"


def test_what_nobody_foresaw_is_one_line_and_ends_with_1(project):
    code = (
        "import sys, types, gossan\n"
        "from gossan import cli\n"
        "sys.modules['gossan.pipeline'] = gossan.pipeline = types.ModuleType('gossan.pipeline')\n"
        f"cli.main(['run', {str(project)!r}, *sys.argv[1:]])\n"
    )
    plain, traced = "error: AttributeError: ", "Traceback (most recent call last)"
    for more, said in (((), plain), (("--json",), plain), (("--json", "--debug"), traced)):
        done = subprocess.run(
            [sys.executable, "-c", code, *more], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == 1 or "--debug" in more
        if more:
            found = json.loads(done.stdout)
            assert found["exit_code"] == 1
            assert "AttributeError" in found["error"]
        else:
            assert done.stdout == ""


# ---- init


def test_init_writes_a_project_file_that_check_would_read(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("s.csv", "d.csv", "g.gpkg"):
        (tmp_path / "data" / name).touch()
    arguments = ["init", "--samples", "data/s.csv", "--deposits", "data/d.csv", "--geology", "data/g.gpkg"]
    assert (
        cli.main([*arguments, "--crs", "EPSG:32650", "--out", "data/p.toml", "--set", "windows.size=32"]) == 0
    )
    project = load_project(tmp_path / "data" / "p.toml")
    assert project.resolve(project.samples.path) == tmp_path / "data" / "s.csv"
    assert project.geology is not None
    assert project.geology.path == "g.gpkg"
    assert project.windows.size == 32
    assert "then gossan check data/p.toml" in capsys.readouterr().out
    assert cli.main([*arguments, "--out", "data/p.toml"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_init_without_a_crs_leaves_its_place_open(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.csv").touch()
    assert cli.main(["init", "--samples", "s.csv", "--deposits", "s.csv", "--json"]) == 0
    shown = capsys.readouterr()
    said = json.loads(shown.out)
    assert {key: said[key] for key in ("format", "project")} == {"format": 1, "project": "project.toml"}
    assert all("for a first run in minutes" in guess["why"] for guess in said["guesses"].values())
    assert "warning: nothing is guessed from the samples" in shown.err
    text = (tmp_path / "project.toml").read_text(encoding="utf-8")
    assert 'crs = ""  # required' in text
    assert tomllib.loads(text)["samples"] == {"path": "s.csv"}
    assert cli.main(["check", "project.toml"]) == 2
    assert "project.crs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--crs", "EPSG:4326"], "is geographic"),
        (["--set", "windows.size=3"], "at least 16"),
        (["--set", "windows.size='big'"], "it must be a whole number"),
        (["--set", "windows.siez=32"], "did you mean 'windows.size'"),
        (["--set", "project.name=a/b"], "project.name"),
    ],
)
def test_init_refuses_what_check_would_refuse_and_writes_nothing(tmp_path, capsys, more, said):
    source, out = tmp_path / "s.csv", tmp_path / "new" / "p.toml"
    source.touch()
    arguments = ["init", "--samples", str(source), "--deposits", str(source), "--out", str(out)]
    assert cli.main([*arguments, *more]) == 2
    assert said in capsys.readouterr().err
    assert not out.parent.exists()
    assert cli.main([*arguments, "--crs", "EPSG:32650", "--set", "rasters.0.path=dem.tif"]) == 0
    assert load_project(out).rasters[0].path == "dem.tif"


# ---- doctor, help and what is loaded


def test_doctor_says_what_is_installed_and_what_it_computes_on(capsys, monkeypatch):
    monkeypatch.delenv("GOSSAN_DATA", raising=False)
    assert cli.main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["numpy"] == np.__version__
    assert found["device"] in ("cpu", "cuda", "mps")
    assert found["torchvision operators"] in ("native", "declared")
    assert set(found["extras"]) >= {"scale", "explain"}
    assert found["problems"] == []


def test_doctor_looks_at_the_device_that_is_asked_for(capsys, monkeypatch):
    monkeypatch.delenv("GOSSAN_DATA", raising=False)
    assert cli.main(["doctor", "--json", "--set", "training.device=cpu"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["device"] == "cpu"
    assert "no effect" not in shown.err
    lacking = "mps" if sys.platform != "darwin" else "cuda"
    assert cli.main(["doctor", "--json", "--set", f"training.device={lacking}"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"][0].startswith(f"training.device = {lacking}")


def test_doctor_ends_with_1_when_something_is_wrong(capsys, monkeypatch):
    monkeypatch.setenv("GOSSAN_DATA", "/nowhere")
    monkeypatch.setattr("gossan.cli.doctor._installed", lambda name: None)
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "numpy is missing" in shown
    assert "GOSSAN_DATA is /nowhere, which is no folder" in shown
    assert "pip install 'gossan[explain]'" in shown


def gossan(*arguments):
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "gossan", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_help_and_version_come_as_a_program():
    helped = gossan("--help")
    assert helped.returncode == 0
    assert all(command in helped.stdout for command in COMMANDS)
    assert gossan().stdout == helped.stdout
    assert gossan("--version").stdout == "gossan 0.1.0\n"


def test_the_shell_completes_commands_and_options(tmp_path, monkeypatch):
    # which shell the tests were started from is of no matter
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    shown = gossan("--show-completion", "bash")
    assert shown.returncode == 0
    assert "complete -o default -F _gossan_completion gossan" in shown.stdout
    environment = {**os.environ, "_GOSSAN_COMPLETE": "complete_bash"}
    for words, place, found in (
        ("gossan re", "1", ["report"]),
        ("gossan run --s", "2", ["--set", "--scheduler"]),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "gossan"],
            env=environment | {"COMP_WORDS": words, "COMP_CWORD": place},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == found
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "gossan", "--install-completion", "bash"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "installed" in done.stdout
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert script.name == "gossan.sh"
    assert str(script) in (tmp_path / ".bashrc").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_common_options(command, capsys):
    assert cli.main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--help", "--out", "--json", "--set", "--debug"))


def test_commands_have_at_most_15_lines():
    import ast
    import inspect

    for command in cli.app.registered_commands:
        assert command.callback is not None
        (function,) = ast.parse(inspect.getsource(command.callback)).body
        assert isinstance(function, ast.FunctionDef)
        assert function.end_lineno is not None
        assert function.end_lineno - function.body[1].lineno + 1 <= 15, function.name


@pytest.mark.parametrize(
    "code",
    [
        "import gossan",
        "import gossan.cli",
        "import gossan; dir(gossan)",
        "from gossan import cli; cli.main(['--help'])",
        "from gossan import cli; cli.main(['run', '--help'])",
    ],
)
def test_the_package_and_its_help_load_no_heavy_library(code):
    heavy = (
        "{'torch', 'sklearn', 'geopandas', 'pandas', 'xarray', 'odc.geo', 'matplotlib', 'rasterio', 'scipy'}"
    )
    code = f"{code}\nimport sys; print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
