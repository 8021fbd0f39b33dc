"""Hook of mkdocs: equations as drawings inside the page, so that it needs no script from a network.

``$$...$$`` stands on a line of its own, ``$...$`` in a sentence; both are TeX as matplotlib's mathtext reads
it.
"""

import re
from html import escape
from typing import Any

__all__ = ["drawn", "on_page_markdown"]

#: Code, which is left as it is, or an equation.
_PARTS = re.compile(
    r"(?P<fence>^```.*?^```)|(?P<code>`[^`\n]+`)|\$\$(?P<block>.+?)\$\$|\$(?P<line>[^$\n`]+)\$", re.S | re.M
)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the equations of a page; mkdocs calls this."""

    def replaced(match: re.Match[str]) -> str:
        if match["block"]:
            large = drawn(match["block"].replace(r"\frac", r"\dfrac"))
            return f'<div class="equation" style="overflow-x:auto;margin:1em 0">{large}</div>'
        return drawn(match["line"]) if match["line"] else match[0]

    return _PARTS.sub(replaced, markdown)


def drawn(tex: str) -> str:
    """Draw an equation as SVG in the colour of the text around it; screen readers get the TeX."""
    from matplotlib import rc_context
    from matplotlib.textpath import TextPath

    tex = " ".join(tex.split())
    with rc_context({"mathtext.fontset": "stix"}):
        path = TextPath((0, 0), f"${tex}$", size=20)
    box = path.get_extents()
    low, high = min(box.y0, -4.0), max(box.y1, 12.0)
    parts = []
    for points, code in path.iter_segments(simplify=False, curves=True):
        pairs = [f"{x:.1f} {-y:.1f}" for x, y in points.reshape(-1, 2)]
        parts.append("Z" if code == path.CLOSEPOLY else _LETTERS[int(code)] + " ".join(pairs))
    wide, tall = box.x1 + 1, high - low
    return (
        f'<svg role="img" aria-label="{escape(tex, quote=True)}" '
        f'viewBox="0 {-high:.1f} {wide:.1f} {tall:.1f}" '
        f'style="width:{wide / 20:.2f}em;height:{tall / 20:.2f}em;vertical-align:{low / 20:.2f}em">'
        f'<path fill="currentColor" d="{"".join(parts)}"/></svg>'
    )


#: Of matplotlib's codes: move, line, quadratic and cubic curve.
_LETTERS = {1: "M", 2: "L", 3: "Q", 4: "C"}
