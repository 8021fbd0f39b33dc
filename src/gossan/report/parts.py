"""What the page holds besides its template: scripts, styles, and the policy that allows them."""

import base64
import hashlib
import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["leaflet_script", "leaflet_style", "map_script", "policy", "templates"]

#: A declaration that names another file, which the page could not fetch.
_FETCHES = re.compile(r"[^;{}]*url\([^)]*\)[^;}]*;?")


def _read(*path: str) -> str:
    return files("gossan").joinpath(*path).read_text(encoding="utf-8")


def templates() -> "Environment":
    """Return the package's templates of pages: every text that comes from data is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("gossan", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def leaflet_script() -> str:
    """Return Leaflet with its licence before it and without the name of its source map."""
    code = re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", _read("report", "assets", "leaflet", "leaflet.js"))
    licence = _read("report", "assets", "leaflet", "LICENSE").replace("*/", "* /")
    return _whole(f"/*\n{licence}*/\n{code}")


def leaflet_style() -> str:
    """Return Leaflet's style sheet without what names pictures: their controls are not used."""
    plain = re.sub(r"/\*.*?\*/", "", _read("report", "assets", "leaflet", "leaflet.css"), flags=re.DOTALL)
    return _FETCHES.sub("", plain)


def map_script() -> str:
    """Return the script of the map."""
    return _whole(_read("templates", "map.js"))


def _whole(script: str) -> str:
    """Keep a script from ending its element; a browser makes one line end of each kind."""
    return script.replace("\r\n", "\n").replace("</script", "<\\/script")


def policy(*scripts: str) -> str:
    """Return a content security policy: these scripts run, and the page uses its own styles and pictures."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"
        for script in scripts
    )
    allowed = hashes or "'none'"
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
