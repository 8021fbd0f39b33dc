"""The program gossan as a process of its own; nothing of QGIS is needed here."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

__all__ = ["Feedback", "ProgramError", "find_program", "own_environment", "packed_by", "run_program", "said"]

#: What QGIS sets for itself, or for its Python and libraries, and what would break those of another program.
_OF_QGIS = (
    *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__"),
    *("GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA", "GEOTIFF_CSV"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES"),
)
_PROGRESS = re.compile(r"progress: ([01]\.\d+) (.*)")
#: Seconds that an interrupted program has to put its work away, and between two looks at the button.
_PATIENCE, _LOOK = 30.0, 0.2
#: Exit code of data that were refused; `check` gives it too for a design that cannot be run, with its page.
_REFUSED = 3
_MEANING = (
    "exit code 3: a run of this project would be refused until that is changed; the page shows what was read"
)


class ProgramError(Exception):
    """The program is not there, or ended with an error; the message is its own."""


class Feedback(Protocol):
    """What is used of QGIS's feedback."""

    def pushInfo(self, info: str) -> None:
        """Show a line."""

    def pushWarning(self, warning: str) -> None:
        """Show a warning."""

    def reportError(self, error: str) -> None:
        """Show an error and go on."""

    def setProgress(self, progress: float) -> None:
        """Show how far the work is, in per cent."""

    def setProgressText(self, text: str) -> None:
        """Show what is being done."""

    def isCanceled(self) -> bool:
        """Tell whether the user wants an end."""


def packed_by() -> str:
    """Return the path of the program that packed this plugin; empty where it did not know."""
    with open(os.path.join(os.path.dirname(__file__), "program.txt"), encoding="utf-8") as file:
        return file.read()


def find_program(setting: str, environment: Mapping[str, str]) -> str:
    """Find the program: by the variable GOSSAN_PROGRAM, else QGIS's setting, else on the path of programs."""
    wanted = os.path.expanduser(environment.get("GOSSAN_PROGRAM") or setting or "gossan")
    found = shutil.which(wanted, path=environment.get("PATH"))
    if found is None:
        raise ProgramError(
            f"{wanted} is no program that can be started; the program gossan in the environment that it is "
            "installed in is needed: set its path in Settings > Options > Processing > Providers > gossan, "
            "or in the environment variable GOSSAN_PROGRAM"
        )
    return found


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Take out what is QGIS's own, and ask for progress as lines."""
    kept = {name: value for name, value in environment.items() if name not in _OF_QGIS}
    return {**kept, "GOSSAN_PROGRESS": "lines", "PYTHONIOENCODING": "utf-8"}


def run_program(
    command: Sequence[str], feedback: Feedback, environment: Mapping[str, str], page: str = ""
) -> list[str]:
    """Run the program to its end and return its lines; interrupt it, as Ctrl-C does, where the user cancels.

    ``page`` is what the program may write though it ends with exit code 3: its errors are then shown only.

    Raises
    ------
    ProgramError
        It cannot be started, or ends with an exit code other than 0 though nobody cancelled it.
    """
    before = _stamp(page)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=own_environment(environment),
        )
    except OSError as error:
        raise ProgramError(f"{command[0]} cannot be started: {error}") from error
    shown = _Shown(feedback)
    for line in _lines(process, feedback):
        shown.add(line)
    code, lines = process.wait(), shown.lines
    if code and not feedback.isCanceled():
        errors = [line[len("error: ") :] for line in lines if line.startswith("error: ")]
        if code == _REFUSED and _stamp(page) != before:
            for line in [*errors, _MEANING]:
                feedback.reportError(line)
            return lines
        last = lines[-1] if lines else "it said nothing"
        raise ProgramError("\n".join(errors) or f"{command[0]} ended with exit code {code}: {last}")
    return lines


def _stamp(path: str) -> tuple[int, int] | None:
    """Tell a file from the one that was at its path before; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def said(lines: Sequence[str], key: str) -> str:
    """Return what the program says of a key in its last line ``key: value``; empty where there is none."""
    begin = f"{key}: "
    return next((line[len(begin) :] for line in reversed(lines) if line.startswith(begin)), "")


def _lines(process: subprocess.Popen[str], feedback: Feedback) -> Iterator[str]:
    """Give the lines as they come; look meanwhile whether the user cancels."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, waiting), daemon=True).start()
    end = None
    while True:
        try:
            line = waiting.get(timeout=_LOOK)
        except queue.Empty:
            line = ""
        if line is None:
            return
        if line:
            yield line
        if end is None and feedback.isCanceled():
            process.send_signal(signal.SIGINT)
            end = time.monotonic() + _PATIENCE
        elif end is not None and time.monotonic() > end:
            process.kill()  # what it finished before is kept all the same


def _read(process: subprocess.Popen[str], waiting: queue.SimpleQueue[str | None]) -> None:
    if process.stdout is not None:
        with process.stdout as stream:
            for line in stream:
                waiting.put(line.rstrip())
    waiting.put(None)


class _Shown:
    """Shows each line where it belongs, and keeps those that are more than progress."""

    def __init__(self, feedback: Feedback) -> None:
        self.lines: list[str] = []
        self._feedback = feedback
        self._doing = ""

    def add(self, line: str) -> None:
        """Show a line."""
        progress = _PROGRESS.fullmatch(line)
        if progress:
            self._feedback.setProgress(100 * float(progress[1]))
            if progress[2] != self._doing:
                self._doing = progress[2]
                self._feedback.setProgressText(self._doing)
            return
        self.lines.append(line)
        if line.startswith("warning: "):
            self._feedback.pushWarning(line[len("warning: ") :])
        elif not line.startswith("error: "):  # these are raised
            self._feedback.pushInfo(line)
