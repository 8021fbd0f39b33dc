"""One look for all figures: type, colours, and bytes that depend on nothing but the picture."""

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "clean",
    "lay_out",
    "missing_glyphs",
    "model_style",
    "save",
    "shorten",
    "style",
    "thinned",
    "unit_colours",
]

INK = "#1a1a1a"
FAINT = "#8a8a8a"
NEW_TARGET = "#b2182b"
KNOWN_TARGET = "#08407e"
OTHER_UNIT = "#dddddd"
TENURE = "#7b3294"

#: Paul Tol's schemes, made to be told apart with any colour vision: *light* carries black marks on
#: top, so it fills maps; *bright* draws lines and symbols.
LIGHT = ("#77aadd", "#ee8866", "#eedd88", "#ffaabb", "#99ddff", "#44bb99", "#bbcc33", "#aaaa00")
BRIGHT = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#bbbbbb")
FOLDS = (
    "#7fa8cf",
    "#f0a3ab",
    "#86bd8b",
    "#c88fb7",
    "#ddd08f",
    "#a3dcec",
    "#9c9ccf",
    "#cfa98a",
    "#b5b5b5",
    "#c5d86d",
)
DASHES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P")

#: Fonts with scripts that DejaVu lacks; the ones that are installed are used after it.
FALLBACK_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "Noto Sans Arabic",
    "Noto Sans",
    "Arial Unicode MS",
)

RC: dict[Any, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "hatch.linewidth": 0.5,
    "image.interpolation": "nearest",
    "svg.hashsalt": "gossan",
    "svg.fonttype": "path",
    # 42 would embed fonts whose outlines are not TrueType's, as of most for Chinese, in a way no reader draws
    "pdf.fonttype": 3,
}


@cache
def _families() -> tuple[str, ...]:
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return ("DejaVu Sans", *(name for name in FALLBACK_FONTS if name in installed))


#: Parameters that say where is drawn, not how.
_OF_THE_SESSION = ("backend", "backend_fallback", "interactive", "toolbar", "timezone")


@contextmanager
def style() -> Iterator[None]:
    """Draw in the one style; a letter that no installed font has becomes a box, never a warning.

    Whatever else set matplotlib's parameters in this process changes nothing, or the same run would give
    other bytes there. `missing_glyphs` tells which letters no font has.
    """
    import matplotlib as mpl

    usual = {name: value for name, value in mpl.rcParamsDefault.items() if name not in _OF_THE_SESSION}
    with mpl.rc_context({**usual, **RC, "font.family": list(_families())}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font")
        yield


#: What each format would write of the clock and the program.
_UNSAID: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save(figure: "Figure", kind: Literal["png", "svg", "pdf"] = "png", *, dpi: int = 150) -> bytes:
    """Render a figure; the same figure gives the same bytes (no clock, no random ids).

    A PDF keeps letters as letters, with the used part of their font inside; an SVG draws them, so that it
    looks the same where the font is not installed.

    Parameters
    ----------
    dpi
        Pixels per inch of a PNG, and of the rasters inside a drawing.
    """
    buffer = io.BytesIO()
    metadata = _UNSAID[kind]
    with style():
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def lay_out(figure: "Figure", *, dpi: int) -> None:
    """Find the layout of a figure that is saved more than once, so that `save` does not seek it each time.

    Parameters
    ----------
    dpi
        As of `save`: letters are whole pixels wide.
    """
    engine, before = figure.get_layout_engine(), figure.dpi
    if engine is None:
        return
    with style():
        figure.dpi = dpi
        engine.execute(figure)
        figure.dpi = before
        figure.set_layout_engine(None)  # as in a style without one; "none" leaves one


def thinned(png: bytes, factor: int) -> bytes:
    """Return a picture with so many times fewer pixels a side, each the mean of those it stands for."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").reduce(factor).save(buffer, "png")
    return buffer.getvalue()


def missing_glyphs(texts: Iterable[str]) -> str:
    """Return the letters, sorted, that no font of this machine can draw in a figure.

    >>> missing_glyphs(["Gold Creek"])
    ''
    """
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    wanted = {letter for text in texts for letter in text if letter.isprintable()}
    for family in _families():
        path = font_manager.findfont(font_manager.FontProperties(family=[family]))
        wanted -= {chr(code) for code in FT2Font(path).get_charmap()}
    return "".join(sorted(wanted))


def clean(text: object) -> str:
    r"""Return a name on one line that matplotlib shows as it stands (a leading ``_`` would hide it).

    >>> clean("_Unit\n 3")
    ' _Unit 3'
    """
    line = " ".join(str(text).split())
    return f" {line}" if line.startswith("_") else line


def shorten(text: object, length: int = 28) -> str:
    """Return a name of at most ``length`` letters.

    >>> shorten("Hazelton Group, Betty Creek Formation", 20)
    'Hazelton Group, Bet…'
    """
    line = clean(text)
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def unit_colours(units: Sequence[str]) -> dict[str, str]:
    """Colour rock units, the largest first: eight light tones, eight darker, grey for the rest.

    Parameters
    ----------
    units
        Names, the most widespread first.
    """
    from matplotlib.colors import to_hex, to_rgb

    parts = (to_rgb(tone) for tone in LIGHT)
    darker = (to_hex((0.72 * red, 0.72 * green, 0.72 * blue)) for red, green, blue in parts)
    tones = (*LIGHT, *darker)
    return {unit: tones[i] if i < len(tones) else OTHER_UNIT for i, unit in enumerate(units)}


def model_style(index: int) -> tuple[str, Literal["-", "--", "-.", ":"], str]:
    """Return colour, dash and marker of a model: told apart without colour too; 0 is the model of the run."""
    return BRIGHT[index % len(BRIGHT)], DASHES[index % len(DASHES)], MARKERS[index % len(MARKERS)]
