"""The plugin for QGIS: a provider of Processing that starts this program and loads what it wrote.

What lies in ``gossan_processing`` runs in QGIS's own Python (3.9 and later), which has nothing of this
package: it imports the standard library and QGIS alone.
"""

import io
import os
import shutil
import sys
import zipfile
from importlib.resources import files

from gossan import __version__

__all__ = ["own_program", "plugin_zip"]

#: The folder of the plugin, and the name under which QGIS knows it.
_NAME = "gossan_processing"
#: Where the plugin finds the program that packed it.
_PROGRAM = "program.txt"


def own_program() -> str:
    """Return the path of the program ``gossan`` beside the Python that runs this; empty where it has none."""
    return shutil.which("gossan", path=os.path.dirname(os.path.abspath(sys.executable))) or ""


def plugin_zip(program: str) -> bytes:
    """Pack the plugin as QGIS's *Install from ZIP* takes it; the same program gives the same bytes.

    Parameters
    ----------
    program
        Path of the program that the plugin starts where QGIS's settings name no other; empty: the one on the
        path of programs.
    """
    here = files("gossan.qgis") / _NAME
    contents = {
        each.name: each.read_bytes() for each in here.iterdir() if each.name.endswith((".py", ".txt"))
    }
    contents["metadata.txt"] = contents["metadata.txt"].replace(b"VERSION", __version__.encode())
    contents[_PROGRAM] = program.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(f"{_NAME}/{name}")
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            file.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
