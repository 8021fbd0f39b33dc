"""Every code block and every command of the docs and the README runs, or is read as the program reads it."""

import ast
import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from gossan import cli, io
from gossan.config import check_overrides, from_values, load_project
from gossan.config.settings import sections
from gossan.errors import GossanError
from gossan.synthetic import laboratory_table, synthetic_survey

ROOT = Path(__file__).parents[1]
PAPERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Put behind each `gossan run` here, so that it takes seconds: another model, no tuning, no audit.
QUICK = {
    "model.name": "logistic-regression",
    "windows.size": "16",
    "project.resolution": "305",
    "validation.rivals": "[]",
    "validation.tune": "1",
    "validation.audit": "[]",
    "screen.enabled": "false",
}

#: Commands that are read and whose settings are checked, but not run: by their first words, why.
NOT_RUN = {
    "python": "scripts that measure for hours; that script and options exist is checked",
    "make": "each is a step of the gate itself",
    "gossan demo": "a step of the gate itself (make demo)",
    "gossan study": "fits for hours; tests/test_study.py runs a small one",
    "gossan predict": "needs two runs; tests/test_pipeline.py has them",
    "gossan view": "serves until it is interrupted; tests/test_view.py asks it",
    "gossan run --scheduler": "needs other machines; tests/test_dask.py starts workers",
    "gossan run --cluster": "needs a queue; tests/test_dask.py starts workers",
    "qgis_process": "needs QGIS; tests/test_qgis_plugin.py runs the lines",
    "gossan run --set": "one more run of minutes with other settings, which are checked",
}


def blocks(language):
    """Every fenced block of a language, named by its page and number."""
    chosen = []
    for page in PAPERS:
        found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for number, (kind, text) in enumerate(found):
            if kind == language:
                chosen.append(pytest.param(text, id=f"{page.name}-{number}"))
    return chosen


def commands(text):
    """Split lines of a shell into words, without comments and with continued lines joined."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def inline():
    """Every command that stands in a sentence, between backticks."""
    for page in PAPERS:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for command in re.findall(r"`(gossan [a-z][^`]*)`", text):
            words = shlex.split(" ".join(command.split()))
            if len(words) > 2:
                yield pytest.param(words, id=f"{page.name}: {' '.join(words[:6])}")


def reason(words):
    """Say why a command is not run; empty for one that is."""
    for named, why in NOT_RUN.items():
        program, *rest = named.split()
        command = rest[0] if rest else ""
        marks = [word for word in rest[1:] if word not in words]
        if words[0] == program and (not command or words[1] == command) and not marks:
            return why
    return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the docs speak of: samples.csv and deposits.csv of a small survey."""
    folder = tmp_path_factory.mktemp("reader")
    survey = synthetic_survey(3, size=128, resolution=305.0, samples=1500)
    file = io.write_survey(survey, folder, table=laboratory_table(survey))
    file.rename(folder / "other.toml")
    return folder


@pytest.fixture
def read(monkeypatch):
    """Read a command as the program does, and stop where it would begin to work."""
    from gossan import pipeline, study, view

    asked = []

    def stop(*given, **named):
        asked.append(given)
        raise GossanError("read")

    for name in ("run", "demo", "predict", "look_at", "draft_project"):
        monkeypatch.setattr(pipeline, name, stop)
    monkeypatch.setattr(study, "study", stop)
    monkeypatch.setattr(view, "ViewServer", stop)
    monkeypatch.setattr("gossan.config.load_project", lambda file, overrides=(): check_overrides(overrides))

    def reader(words):
        asked.clear()
        assert cli.main(words[1:]) == 1, words
        assert len(asked) == 1, words

    return reader


def gossan_commands():
    return [
        pytest.param(words, id=" ".join(words[:7]))
        for block in blocks("sh")
        for words in commands(block.values[0])
        if words[0] == "gossan"
    ]


@pytest.mark.parametrize("words", [*gossan_commands(), *inline()])
def test_a_command_is_one_that_the_program_knows(words, read):
    read(words)


@pytest.mark.parametrize("text", blocks("sh"))
def test_other_programs_of_a_block_are_known(text):
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)
    for words in commands(text):
        assert words[0] in ("gossan", "make", "python", "qgis_process"), f"{words[0]} is checked by nobody"
        if words[0] == "python":
            script = (ROOT / words[1]).read_text(encoding="utf-8")
            assert all(f'"{word}"' in script for word in words if word.startswith("--")), words
        if words[0] == "make":
            assert words[1] in targets


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAPERS if "```sh" in page.read_text(encoding="utf-8")])
def test_the_commands_of_a_page_run_one_after_the_other(page, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for name in ("project.toml", "runs"):
        assert not (folder / name).is_file() or (folder / name).unlink() is None
    ran = []
    for block in blocks("sh"):
        for words in commands(block.values[0]) if block.id.startswith(f"{page.name}-") else ():
            if not reason(words):
                ran.append(words[1])
                assert cli.main([*words[1:], *_quickly(words)]) == 0, f"{words}: {capsys.readouterr().err}"
    assert ran in ([], ["init", "check", "run"])
    assert not ran or (folder / "runs" / "project" / "report.html").is_file()


def _quickly(words):
    if words[1] != "run":
        return []
    return [part for key, value in QUICK.items() for part in ("--set", f"{key}={value}")] + ["--jobs", "1"]


def test_nothing_is_left_out_without_a_reason_that_holds():
    every = [words for block in blocks("sh") for words in commands(block.values[0])]
    used = {reason(words) for words in every} | {NOT_RUN["gossan demo"]}
    assert used == {"", *NOT_RUN.values()}


# ---- Python


@pytest.mark.slow
@pytest.mark.parametrize("text", blocks("python"))
def test_a_block_of_python_runs(text, folder, monkeypatch, capsys):
    """In the folder that the commands before it left; `load_project` is given the quick settings."""
    import gossan

    monkeypatch.chdir(folder)
    if not (folder / "project.toml").exists():
        cli.main(["init", "--samples", "samples.csv", "--deposits", "deposits.csv", "--crs", "EPSG:32649"])
    quick = [f"{key}={value}" for key, value in QUICK.items()]
    monkeypatch.setattr(gossan, "load_project", lambda path: load_project(path, quick), raising=False)
    exec(compile(ast.parse(text), "docs", "exec"), {"__name__": "reader"})
    assert capsys.readouterr().out


# ---- settings


def settings_of(text):
    """Fill a fragment of a project file up with what every project needs."""
    values = tomllib.loads(text)
    needed = {"project": {"crs": "EPSG:32650"}, "samples": {"path": "s"}, "deposits": {"path": "d"}}
    return from_values(
        {name: needed.get(name, {}) | values.get(name, {}) for name in needed}
        | {name: section for name, section in values.items() if name not in needed}
    )


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_block_of_toml_is_a_project_file_or_a_cluster_file(text, tmp_path):
    if "kind" in tomllib.loads(text):
        from gossan.runs.clusters import read_cluster

        (tmp_path / "cluster.toml").write_text(text, encoding="utf-8")
        assert read_cluster(tmp_path / "cluster.toml").kind
    else:
        assert settings_of(text)


def known_settings():
    return {f"{name}.{field.name}" for name, room in sections() for field in fields(room)}


def test_every_setting_that_a_page_names_exists():
    known = known_settings()
    named = {name.split(".")[0] for name in known}
    assert len(known) > 80
    for page in PAPERS:
        text = page.read_text(encoding="utf-8")
        for section, key in re.findall(r"`(\w+)\.([a-z_]+)(?: = [^`]*)?`", text):
            if section in named and key not in ("toml", "csv", "gpkg", "tif", "json", "html", "py"):
                assert f"{section}.{key}" in known, f"{page.name} names {section}.{key}"


def test_every_language_of_a_block_is_one_that_is_run():
    for page in [*PAPERS, *sorted((ROOT / "docs").rglob("*.md"))]:
        kinds = re.findall(r"^```(\w*)\n.*?^```", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        allowed = {"sh", "python", "toml", ""} | ({"text"} if page.parent.name == "examples" else set())
        assert set(kinds) <= allowed, page
