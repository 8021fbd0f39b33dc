"""What is installed here, and what is missing."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gossan import __version__

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["drawn_doctor", "examine", "outline"]


def examine(device: str) -> dict[str, Any]:
    """Look at what the package needs and finds here."""
    needed, extras = _requirements()
    core = {name: _installed(name) for name in needed}
    problems = [f"{name} is missing; install gossan again" for name, found in core.items() if found is None]
    if not os.access(".", os.W_OK):
        problems.append(f"cannot write into {Path.cwd()}; give a folder with --out")
    data = os.environ.get("GOSSAN_DATA")
    if data is not None and not Path(data).is_dir():
        problems.append(f"GOSSAN_DATA is {data}, which is no folder; set it to the folder of the surveys")
    torch_state = _torch_state(device)
    if device not in ("auto", torch_state["device"]):
        problems.append(f"training.device = {device} is not on this machine; leave it at auto")
    missing = {extra: [name for name in names if _installed(name) is None] for extra, names in extras.items()}
    return {
        "gossan": __version__,
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        **torch_state,
        "versions": core,
        "extras": {
            extra: f"pip install 'gossan[{extra}]' for {', '.join(names)}" if names else "installed"
            for extra, names in missing.items()
        },
        "GOSSAN_DATA": data or "not set",
        "writable": str(Path.cwd()) if os.access(".", os.W_OK) else "no",
        "problems": problems,
    }


def _torch_state(wanted: str) -> dict[str, str]:
    if _installed("torch") is None or _installed("torchvision") is None:
        return {"device": "none: torch is missing"}
    import torch

    from gossan.models import _torchvision

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    usable = [name for name, is_there in there.items() if is_there and wanted in ("auto", name)]
    device = next(iter(usable), f"none: {wanted} is missing")
    return {"device": device, "torchvision operators": _torchvision.mode()}


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Name what the package is declared to need, and what each extra adds."""
    from importlib.metadata import requires

    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in requires("gossan") or ():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"](\w+)", line)
        (extras.setdefault(extra[1], []) if extra else needed).append(name)
    return needed, extras


def _installed(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def outline(found: Mapping[str, Any], indent: str = "") -> list[str]:
    """Write nested mappings as indented lines, leaving out what is not set.

    >>> outline({"grid": {"rows": 2}, "camps": 7, "area": None})
    ['grid:', '  rows: 2', 'camps: 7']
    """
    lines = []
    for key, value in found.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", *outline(value, f"{indent}  ")]
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            lines += outline({f"{key} {number}": item for number, item in enumerate(value, 1)}, indent)
        elif value is not None:
            several = isinstance(value, list | tuple)
            lines.append(f"{indent}{key}: {', '.join(map(_short, value)) if several else _short(value)}")
    return lines


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def drawn_doctor(found: Mapping[str, Any]) -> Iterator["RenderableType"]:
    """Draw what `examine` found as tables."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    nested = {key: value for key, value in found.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in found.items() if key not in nested and key != "problems"}
    for title, rows in {"gossan": plain, **nested}.items():
        table = Table(
            title=title, box=box.SIMPLE, show_header=False, title_justify="left", title_style="bold"
        )
        table.add_column(style="cyan")
        for key, value in rows.items():
            table.add_row(Text(str(key)), Text("missing" if value is None else _short(value)))
        yield table
    for problem in found["problems"]:
        yield Text(f"problem: {problem}", style="bold red")
