"""Equations of the docs are drawings in the page: each is read, sized with its text, and told in words."""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import equations  # noqa: E402


def test_every_equation_of_the_docs_is_drawn():
    found = 0
    for page in (ROOT / "docs").glob("*.md"):
        text = equations.on_page_markdown(page.read_text(encoding="utf-8"))
        found += text.count('<svg role="img"')
        bare = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.S | re.M)
        assert "$$" not in bare, page
    assert found >= 9


def test_an_equation_is_well_formed_and_tells_its_tex():
    drawn = ET.fromstring(equations.drawn(r"a < \frac{b}{2}"))
    assert drawn.get("aria-label") == r"a < \frac{b}{2}"
    assert drawn.find("path").get("fill") == "currentColor"
    _, top, wide, tall = map(float, drawn.get("viewBox").split())
    assert wide > 20
    assert top < 0 < top + tall


def test_code_and_money_are_no_equations():
    for text in ("`$x$`", "```sh\necho $A $B\n```", "costs 5 $"):
        assert equations.on_page_markdown(text) == text


def test_a_lone_equation_stands_on_its_own_line_and_is_larger():
    assert equations.on_page_markdown(r"$$\frac{1}{2}$$").startswith('<div class="equation"')
    assert "<div" not in equations.on_page_markdown(r"so $x^2$ is")


def test_what_cannot_be_read_stops_the_build():
    with pytest.raises(ValueError, match="Unknown symbol"):
        equations.drawn(r"\nosuchthing")
