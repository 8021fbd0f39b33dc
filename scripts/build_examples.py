"""Run examples/*.py as a reader would, cell by cell, and write docs/examples/*.md with what they show.

python scripts/build_examples.py    # after a change of an example, or of what it shows; takes a minute or two

A cell is the code between two blocks of comments that begin a line; if it ends in an expression, its value is
shown as at a prompt. ``![text](path)`` in a comment shows a picture that the example made.
"""

import argparse
import ast
import contextlib
import io
import os
import pprint
import re
import tempfile
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ORDER", "Page", "cells", "played", "skeleton"]

ROOT = Path(__file__).parents[1]
SOURCES, PAGES = ROOT / "examples", ROOT / "docs" / "examples"

#: The order in which they are read and run, in one folder: the last one goes on from the first.
ORDER = ("quick_start", "own_data", "explain_a_target")
#: Pictures of the pages: pixels across, and colours.
WIDE, COLOURS = 1000, 96


@dataclass(frozen=True)
class Page:
    """An example as Markdown, and the pictures that it shows: name of the file -> content."""

    text: str
    pictures: dict[str, bytes]


def main() -> None:
    """Write the pages."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    PAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, page in played(Path(folder)).items():
            (PAGES / f"{name}.md").write_text(page.text, encoding="utf-8")
            for file, content in page.pictures.items():
                (PAGES / file).write_bytes(content)


def played(folder: Path) -> dict[str, Page]:
    """Run all examples in a folder, in their order."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return {name: _played(name) for name in ORDER}
    finally:
        os.chdir(before)


def cells(source: str) -> list[tuple[str, str]]:
    """Cut a script into prose and code, in turn: ("prose" or "code", text)."""
    found: list[tuple[str, list[str]]] = []
    for line in source.splitlines():
        kind = "prose" if line == "#" or line.startswith("# ") else "code"
        if line and (not found or found[-1][0] != kind):
            found.append((kind, []))
        if found:
            found[-1][1].append(line.removeprefix("#").removeprefix(" ") if kind == "prose" else line)
    return [(kind, "\n".join(lines).strip()) for kind, lines in found]


def _played(name: str) -> Page:
    source = (SOURCES / f"{name}.py").read_text(encoding="utf-8")
    known: dict[str, Any] = {"__name__": f"example_{name}"}
    parts, pictures = [], {}
    for number, (kind, text) in enumerate(cells(source)):
        if kind == "code":
            shown = _run(text, known, f"{name}.py, cell {number}")
            parts.append(f"```python\n{text}\n```")
            parts += [f"```text\n{shown}\n```"] if shown else []
        else:
            for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
                file = f"{name}_{Path(path).stem}.png"
                text, pictures[file] = text.replace(f"({path})", f"({file})"), _small(Path(path))
            parts.append(text)
    parts.append(f"*Written by `scripts/build_examples.py` from `examples/{name}.py`.*")
    return Page("\n\n".join(parts) + "\n", pictures)


def _run(code: str, known: dict[str, Any], name: str) -> str:
    """Run a cell; returns what it printed, warned of, and the value of its last expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(tree, name, "exec"), known)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), known)
            print(
                "" if value is None else value if isinstance(value, str) else pprint.pformat(value, width=96)
            )
    told = dict.fromkeys(f"warning: {one.message}" for one in caught if "gossan" in str(one.category))
    wrapped = [textwrap.fill(line, 96, subsequent_indent="  ") for line in told]
    # where the examples ran is of no interest
    return "\n".join([*wrapped, out.getvalue()]).strip("\n").replace(f"{Path.cwd()}{os.sep}", "")


def _small(path: Path) -> bytes:
    """Make a figure small enough for a page that is kept under version control."""
    from PIL import Image

    with Image.open(path) as image:
        high = round(image.height * WIDE / image.width)
        small = image.convert("RGB").resize((WIDE, high), Image.Resampling.LANCZOS).quantize(COLOURS)
    buffer = io.BytesIO()
    small.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def skeleton(text: str) -> str:
    """Give a page without its numbers, which differ in their last digits from machine to machine."""
    return re.sub(r"\s+", " ", re.sub(r"-?\d[\d.,]*(e[-+]\d+)?|NaN", "#", text))


if __name__ == "__main__":
    main()
