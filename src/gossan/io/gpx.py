"""Waypoints for a hand-held receiver: GPX 1.1."""

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from gossan.io.files import replacing

__all__ = ["allowed", "write_gpx"]

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<gpx version="1.1" creator="gossan" xmlns="http://www.topografix.com/GPX/1/1">\n'
)


def write_gpx(path: Path, waypoints: Iterable[tuple[float, float, str, str]], *, title: str = "") -> None:
    """Write waypoints; what XML forbids in a text is left out.

    Parameters
    ----------
    waypoints
        Longitude and latitude (WGS 84, degrees), name and description of each; written to 1e-7 degrees.
    title
        Name of the whole file.
    """
    parts = [_HEAD, f"<metadata><name>{_text(title)}</name></metadata>\n"]
    for longitude, latitude, name, description in waypoints:
        parts.append(
            f'<wpt lat="{latitude:.7f}" lon="{longitude:.7f}"><name>{_text(name)}</name>'
            f"<desc>{_text(description)}</desc></wpt>\n"
        )
    with replacing(path) as temporary:
        temporary.write_text("".join([*parts, "</gpx>\n"]), encoding="utf-8", newline="\n")


def _text(text: str) -> str:
    return escape(allowed(text))


def allowed(text: str) -> str:
    """Leave out what XML 1.0 has no place for: most control characters, and half surrogates.

    >>> allowed("Red" + chr(0) + " <Lake>")
    'Red <Lake>'
    """
    kept = (
        letter
        for letter in text
        if letter in "\t\n\r"
        or (letter >= " " and not "\ud800" <= letter <= "\udfff" and letter < "\ufffe")
        or letter >= "\U00010000"
    )
    return "".join(kept)
