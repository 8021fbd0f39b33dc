"""Showing: lines and progress on stderr, results on stdout; JSON where it is asked for."""

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gossan.errors import RunError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from gossan.runs import Report

__all__ = ["judge", "progress", "save", "show_result", "tell", "the_console"]


@cache
def the_console() -> "Console":
    """Make the console of stderr, once for every run of the command line."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True)


def tell(line: str) -> None:
    """Write a line to stderr, above the progress where there is one."""
    the_console().print(line, markup=False, highlight=False)


@contextlib.contextmanager
def progress() -> Iterator["Report"]:
    """Show how far the work is and how long it will take; nothing where stderr is no terminal.

    A program that starts this one sets ``GOSSAN_PROGRESS=lines`` and reads it from lines.
    """
    if os.environ.get("GOSSAN_PROGRESS") == "lines":
        yield _tell_progress
        return
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}{task.description}"))
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=the_console(), transient=True, disable=quiet) as bar:
        line = bar.add_task("starting", total=1.0, left="")

        def show(share: float, seconds_left: float | None, label: str) -> None:
            left = "" if seconds_left is None else f"{_clock(seconds_left)} left, "
            bar.update(line, completed=share, description=escape(label), left=left)

        yield show


def _tell_progress(share: float, seconds_left: float | None, label: str) -> None:
    tell(f"progress: {share:.3f} {label}")


def _clock(seconds: float) -> str:
    """Write a time in the unit that it is felt in.

    >>> _clock(7.2), _clock(200), _clock(7300)
    ('8 s', '4 min', '2.0 h')
    """
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def show_result(
    found: Mapping[str, Any],
    as_json: bool,
    text: Sequence[str],
    out: Path | None = None,
    *,
    drawn: "Callable[[], Iterable[RenderableType]] | None" = None,
) -> None:
    """Print what a command found: as JSON, as tables on a terminal, as lines where stdout is none.

    Parameters
    ----------
    text
        The lines.
    out
        File for the JSON.
    drawn
        Makes the tables; the lines stand for them where it is None.
    """
    content = json.dumps({"format": 1} | _plain(found), ensure_ascii=False, allow_nan=False)
    if out is not None:
        save(out, f"{content}\n".encode())  # first: where it fails, the error is the one object printed
    if as_json or drawn is None or not sys.stdout.isatty():
        typer.echo(content if as_json else "\n".join(text))
        return
    from rich.console import Console

    for part in drawn():
        Console().print(part, highlight=False)


def judge(found: Mapping[str, Any], strict: bool) -> None:
    """Say what weakens or forbids a run, and end with exit code 3 where it must."""
    for kind, key in (("warning", "warnings"), ("error", "problems")):
        for message in found.get(key, ()):
            tell(f"{kind}: {message}")
    if found.get("problems") or (strict and found.get("warnings")):
        raise typer.Exit(3)


def save(out: Path, content: bytes) -> None:
    """Put what ``--out`` asks for in place, whole or not at all."""
    from gossan.io.files import replacing

    try:
        with replacing(out) as temporary:
            temporary.write_bytes(content)
    except (RunError, OSError, ValueError) as error:
        why = "it is a folder" if os.path.isdir(out) else getattr(error.__cause__, "strerror", None) or error
        allowed = "it must be a file in a folder that you may write to; give another"
        raise UsageError(f"--out {out} cannot be written ({why}); {allowed}") from error


def _plain(value: Any) -> Any:
    """Turn a result into what JSON can hold; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
