"""Running the command line: errors and warnings become lines, and exit codes."""

import json
import sys
import traceback
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, TextIO

import typer

from gossan.cli import commands  # noqa: F401  (puts them into the program)
from gossan.cli.options import app
from gossan.cli.show import tell, the_console
from gossan.errors import GossanError, GossanWarning

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in given, "--json" in given
    sys.excepthook = partial(_unexpected, debug, as_json)
    the_console.cache_clear()
    command = typer.main.get_command(app)  # calling `app` itself would put typer's own hook there
    with warnings.catch_warnings():
        _hear_warnings(debug)
        try:
            code = command(args=given or ["--help"], prog_name="gossan", standalone_mode=False) or 0
        except _UsageMistake as mistake:
            return _refuse(_one_line(mistake), 2, as_json)
        except GossanError as error:
            if debug:
                traceback.print_exception(error)
            return _refuse(str(error), error.exit_code, as_json)
        except (KeyboardInterrupt, typer.Abort):
            code = 130
        except OSError as error:
            if debug:
                traceback.print_exception(error)
            return _refuse(str(error), 1, as_json)
    if code == 130:  # some versions of typer return it, others raise
        return _refuse("interrupted; the same command goes on from here", code, as_json)
    return int(code)


#: Typer's base of usage errors; which library it lies in depends on typer's version.
_UsageMistake: type[Exception] = typer.BadParameter.__mro__[2]


def _one_line(mistake: Any) -> str:
    text = " ".join(str(mistake.format_message()).split())
    path = mistake.ctx.command_path if getattr(mistake, "ctx", None) else "gossan"
    return f"{text} See {path} --help"


def _refuse(message: str, code: int, as_json: bool) -> int:
    line = " ".join(message.split("\n"))
    if as_json:
        typer.echo(json.dumps({"format": 1, "error": line, "exit_code": code}))
    tell(line if code == 130 else f"error: {line}")
    return code


def _unexpected(
    debug: bool, as_json: bool, kind: type[BaseException], error: BaseException, trace: Any
) -> None:
    """Say in one line what nobody foresaw."""
    if debug:
        sys.__excepthook__(kind, error, trace)
    line = f"{kind.__name__}: {' '.join(str(error).split())}"
    _refuse(f"{line}; this is a fault of gossan: run again with --debug and report it", 1, as_json)


def _hear_warnings(debug: bool) -> None:
    """Show each of our warnings once, as a line; those of libraries only to who debugs."""
    shown: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = f"warning: {' '.join(str(message).split())}"
        if not issubclass(category, GossanWarning):
            text = f"warning: {filename}:{lineno}: {category.__name__}: {message}"
        if text not in shown:
            shown.add(text)
            tell(text)

    warnings.simplefilter("default" if debug else "ignore")
    warnings.simplefilter("always", GossanWarning)
    warnings.showwarning = show
