"""The examples run, and their pages show what they show today."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import build_examples  # noqa: E402


def page(name):
    return (ROOT / "docs" / "examples" / f"{name}.md").read_text(encoding="utf-8")


def test_every_script_is_an_example_with_a_page():
    assert sorted(build_examples.ORDER) == sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("name", build_examples.ORDER)
def test_a_page_has_the_words_and_the_code_of_its_script(name):
    source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    cells = build_examples.cells(source)
    assert len([kind for kind, _ in cells if kind == "code"]) >= 4
    for kind, text in cells:
        if kind == "code":
            assert f"```python\n{text}\n```" in page(name)
        elif "![" not in text:
            assert text in page(name)


def test_prose_and_code_are_told_apart():
    source = "# # Title\n#\n# Words.\n\nx = 1  # one\n#: not prose\ny = 2\n\n# More.\nx + y\n"
    assert build_examples.cells(source) == [
        ("prose", "# Title\n\nWords."),
        ("code", "x = 1  # one\n#: not prose\ny = 2"),
        ("prose", "More."),
        ("code", "x + y"),
    ]


@pytest.mark.slow
def test_the_pages_show_what_the_examples_show_today(tmp_path):
    """But for numbers, whose last digits differ from machine to machine."""
    for name, played in build_examples.played(tmp_path).items():
        now, written = (build_examples.skeleton(text) for text in (played.text, page(name)))
        assert now == written, f"run scripts/build_examples.py: docs/examples/{name}.md is stale"
        for file in played.pictures:
            assert (ROOT / "docs" / "examples" / file).stat().st_size < 250_000
