"""Bad inputs, each different in kind: the one line and the exit code that each must give.

`corpus/manifest.toml` lists them. ``part`` says which section of a good project the input replaces, ``says``
the line on stderr, with ``...`` for what libraries word and for paths.
"""

import contextlib
import io
import re
import time
import tomllib

import pytest

import corpus_files
from dirty import LONGEST, within
from gossan import cli

CASES = tomllib.loads((corpus_files.FOLDER / "manifest.toml").read_text(encoding="utf-8"))["case"]


def run_case(case, folder):
    """Put the input into a good project and check it; exit code, lines on stderr, seconds."""
    corpus_files.write_good(folder)
    name, part = case.get("file"), case["part"]
    project = folder / "project.toml"
    if name is not None:
        corpus_files.place(name, folder)
    if part == "project":
        (folder / name).replace(project)
    elif name is not None:
        _name_input(project, case)
    settings = [word for setting in case.get("set", ()) for word in ("--set", setting)]
    out, said = io.StringIO(), io.StringIO()
    before = _state(folder)
    start = time.process_time()  # of this process alone, however busy the machine is
    with within(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        code = cli.main(["check", str(project), *settings])
    seconds = time.process_time() - start
    changed = {path.name for path, state in _state(folder).items() if before.get(path) != state}
    return code, said.getvalue().splitlines(), seconds, changed


def _name_input(project, case):
    text, part = project.read_text(encoding="utf-8"), case["part"]
    line = f'path = "{case["file"]}"'
    if part in ("samples", "deposits"):
        text = text.replace(f'path = "{part}.csv"', line)
    elif part == "area":
        text = text.replace("[project]", f'[project]\narea = "{case["file"]}"')
    elif part == "rasters":
        more = "".join(f"{key} = {value!r}\n" for key, value in case.items() if key in ("band", "kind"))
        text += f"[[rasters]]\n{line}\n{more}"
    else:
        text += f"[{part}]\n{line}\n"
    project.write_text(text, encoding="utf-8")


def _state(folder):
    return {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 1e7
    }


def fits(said, wanted):
    """Tell whether a line is the one wanted, ``...`` standing for anything."""
    return re.fullmatch(".*".join(re.escape(part) for part in wanted.split("...")), said) is not None


def test_the_cases_differ_and_are_many():
    assert len(CASES) >= 120
    assert len({case["name"] for case in CASES}) == len(CASES)
    # a case is told by its line, and no line is shared by many
    lines = [
        re.sub(r"[\w-]+\.(csv|gpkg|tif|vrt|asc|shp|xlsx|geojson)\b", "FILE", case["says"]) for case in CASES
    ]
    assert len(set(lines)) > 0.75 * len(lines)


def test_every_file_of_the_corpus_is_used_and_there():
    there = {path.name for path in corpus_files.FOLDER.iterdir()} - {"manifest.toml"}
    used = {case["file"] for case in CASES if "file" in case}
    assert there <= used
    built = used - there
    assert built - {"nowhere.csv", "."} <= set(corpus_files.BUILDERS)


def test_the_project_that_the_inputs_go_into_is_good(tmp_path):
    code, *_ = run_case({"part": "samples"}, tmp_path)
    assert code == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_bad_input_gives_its_line_and_its_exit_code(case, tmp_path):
    code, lines, seconds, changed = run_case(case, tmp_path)
    assert code == case["code"], lines
    told = [line for line in lines if line.startswith("warning: " if code == 0 else "error: ")]
    assert any(fits(line, case["says"]) for line in told), told
    if code:
        assert len(told) == 1
    assert not any("Traceback" in line for line in lines)
    assert changed == set()
    assert seconds < LONGEST
