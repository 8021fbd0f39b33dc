"""The page of messages quotes what the code says: each quoted message is in its source, word for word."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import gossan

ROOT = Path(__file__).parents[1]
GAP = "…"


def quoted():
    page = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    return [
        line.removeprefix("### `").removesuffix("`") for line in page.splitlines() if line.startswith("### ")
    ]


def template(node):
    """Give a string of the source with a gap for everything that is put in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else GAP
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return template(node.left) + template(node.right)
    return GAP


@cache
def sources():
    found = set()
    for path in Path(gossan.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
                text = template(node)
                if len(text) > 15:
                    found.add(" ".join(text.split()))
    return sorted(found)


def is_said(message):
    """Tell whether a string of the source has every piece of the message, in order, only gaps between."""
    pieces = [re.escape(piece.strip()) for piece in message.split(GAP) if piece.strip()]
    pattern = re.compile(r"[^;]*?".join(pieces)) if len(pieces) > 1 else re.compile(pieces[0])
    return any(pattern.search(text) for text in sources())


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_in_the_source(message):
    assert is_said(message), f"no message of the package reads {message!r}: quote one that does"


def test_a_message_that_nobody_says_is_found_out():
    assert len(quoted()) > 30
    assert not is_said("windows of … px given on a map of … x … px; the smallest that fits is …")


def test_every_quoted_message_says_what_it_means():
    page = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    parts = re.split(r"^### .*$", page, flags=re.M)[1:]
    assert all(len(part.split("\n## ")[0].strip()) > 40 for part in parts)
