"""Draw the house, docs/images/house.svg, from the table that tests/test_house.py checks the imports by.

Called by scripts/write_docs.py, whose --check says whether the picture is up to date.
"""

import ast
from html import escape
from pathlib import Path

__all__ = ["house"]

ROOT = Path(__file__).parents[1]

#: What a row is for, by its first room, and its tone.
ROWS = {
    "errors": ("words and protocols", "#e6e6e6"),
    "grid": ("pixels and metres", "#e6e6e6"),
    "survey": ("what was read; the Stack", "#e6e6e6"),
    "metrics": ("arrays in, arrays out; no file is opened", "#cfe3f3"),
    "screen": ("elements, maps, windows, folds, targets", "#cfe3f3"),
    "recipe": ("what a training part teaches", "#cfe3f3"),
    "models": ("networks and rivals", "#d6ecd2"),
    "evaluate": ("one fold: fit, score, why", "#d6ecd2"),
    "io": ("files, settings, figures, the made survey", "#fbe3c0"),
    "runs": ("tasks, store, the page", "#fbe3c0"),
    "pipeline": ("the list of tasks of a run; tiles", "#f6d2d2"),
    "study": ("the paper's tables", "#f6d2d2"),
    "cli": ("commands", "#f6d2d2"),
}
FLOW = ("files", "Survey", "Stack", "windows", "folds", "Recipe", "models", "score map", "targets", "report")
WIDTH, LEFT, RIGHT, HIGH, GAP = 960, 64, 270, 26, 6
LETTER = 7.4  # of the rooms' names, wide enough for every font that may stand in
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"


def rooms() -> list[list[str]]:
    """Read the rows of rooms from the test that proves them; names kept for rooms to come are left out."""
    package = ROOT / "src" / "gossan"
    tree = ast.parse((ROOT / "tests" / "test_house.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ROWS":
            return [
                [room for room in row if _is_there(package / room)] for row in ast.literal_eval(node.value)
            ]
    raise SystemExit("tests/test_house.py has no table ROWS; the picture is drawn from it")


def _is_there(room: Path) -> bool:
    return room.is_dir() or room.with_suffix(".py").is_file()


def house() -> str:
    """Draw the rows of rooms, the first on top, and the way of the data below them."""
    parts: list[str] = []
    top = 44
    for number, row in enumerate(rooms()):
        text, top = _row(number, row, top)
        parts.append(text)
    arrow = (
        f"<path d='M30 {top - 8} V52' stroke='#555' stroke-width='1.6' marker-end='url(#tip)'/>"
        f"<text transform='translate(22 {(top + 44) // 2}) rotate(-90)' text-anchor='middle' fill='#555'>"
        "a room imports only from rooms above it</text>"
    )
    flow, bottom = _flow(top + 34)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {bottom}' {FONT} font-size='12'>\n"
        "<title>The house: the rooms of gossan in rows, and the one way data flows</title>\n"
        "<defs><marker id='tip' markerWidth='8' markerHeight='8' refX='6' refY='4' orient='auto'>"
        "<path d='M0 0 L8 4 L0 8 z' fill='#555'/></marker></defs>\n"
        f"<rect width='{WIDTH}' height='{bottom}' fill='white'/>\n"
        "<text x='14' y='24' font-size='15' font-weight='bold'>The house</text>\n"
        + "\n".join(parts)
        + f"\n{arrow}\n{flow}\n</svg>\n"
    )


def _row(number: int, row: list[str], top: int) -> tuple[str, int]:
    """Draw one row; returns it and where the next one begins."""
    said, tone = ROWS[row[0]]
    parts, x, y = [], LEFT, top
    for room in row:
        wide = round(LETTER * len(room) + 18)
        if x + wide > WIDTH - RIGHT:
            x, y = LEFT, y + HIGH + GAP
        parts.append(
            f"<rect x='{x}' y='{y}' width='{wide}' height='{HIGH}' rx='4' fill='{tone}' stroke='#888'/>"
            f"<text x='{x + wide / 2:g}' y='{y + 17}' text-anchor='middle'>{escape(room)}</text>"
        )
        x += wide + GAP
    parts.append(
        f"<text x='{WIDTH - RIGHT + 10}' y='{top + 17}' fill='#444' font-size='11'>{escape(said)}</text>"
    )
    parts.append(
        f"<text x='{LEFT - 12}' y='{top + 17}' text-anchor='end' fill='#888' font-size='10'>{number}</text>"
    )
    return "".join(parts), y + HIGH + GAP + 4


def _flow(top: int) -> tuple[str, int]:
    """Draw the one way data flows; returns it and where the picture ends."""
    parts = [f"<text x='14' y='{top}' font-size='15' font-weight='bold'>The one way data flows</text>"]
    step = (WIDTH - 28) / len(FLOW)
    for i, word in enumerate(FLOW):
        x, wide = 14 + i * step, step - 16
        parts.append(
            f"<rect x='{x:g}' y='{top + 16}' width='{wide:g}' height='{HIGH}' rx='13' fill='white' "
            "stroke='#888'/>"
            f"<text x='{x + wide / 2:g}' y='{top + 33}' text-anchor='middle' font-size='11'>{word}</text>"
        )
        if i + 1 < len(FLOW):
            parts.append(
                f"<path d='M{x + wide + 2:g} {top + 29} h10' stroke='#555' stroke-width='1.4' "
                "marker-end='url(#tip)'/>"
            )
    inside = 14 + 5 * step - 8, 14 + 7 * step - 8
    parts.append(
        f"<path d='M{inside[0]:g} {top + 52} v6 H{inside[1]:g} v-6' fill='none' stroke='#888'/>"
        f"<text x='{sum(inside) / 2:g}' y='{top + 74}' text-anchor='middle' font-size='11' fill='#444'>"
        "once a fold, from its training part only</text>"
    )
    return "".join(parts), top + 92
