"""The command line: every command reads its options, calls the package, and shows what came of it.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or project file, 3 the data were refused,
130 interrupted. An error is one line on stderr; results go to stdout, everything else to stderr.
"""

import contextlib
import json
import math
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from gossan import __version__
from gossan.errors import GossanError, GossanWarning, RunError, SettingWarning, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from gossan.config import Settings
    from gossan.pipeline import Run
    from gossan.runs import Report

__all__ = ["app", "main"]

app = typer.Typer(
    name="gossan",
    help="From survey files to a ranked, explained and honestly evaluated map of mineral targets.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

ProjectFile = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="Project file, TOML.", show_default=False)
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run; runs/NAME without it.")]
OutFile = Annotated[Path | None, typer.Option("--out", "-o", help="Also write the result there, as JSON.")]
PageOut = Annotated[Path | None, typer.Option("--out", "-o", help="Also write a page (.html) or JSON there.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting of the project; may be repeated."),
]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes; all cores without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Given = Annotated[Path | None, typer.Option(help="File for the project; its path is written into it.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gossan {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the survey and the run.")] = Path(
        "demo"
    ),
    overrides: Overrides = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run the whole main job on the built-in survey."""
    from gossan import pipeline

    with _progress() as show:
        made = pipeline.demo(out, overrides=overrides or (), jobs=jobs, on_progress=show)
    _print(_run_object(made), as_json, _run_text(made))


@app.command()
def init(
    samples: Annotated[Path, typer.Option(help="Table or layer of the analyses.", show_default=False)],
    deposits: Annotated[Path, typer.Option(help="Table or layer of the known deposits.", show_default=False)],
    geology: Given = None,
    faults: Given = None,
    area: Given = None,
    raster: Annotated[list[Path] | None, typer.Option(help="Further raster; may be repeated.")] = None,
    crs: Annotated[str, typer.Option(help="Projected CRS in metres; guessed without it.")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Project file to write.")] = Path("project.toml"),
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a commented project file by looking at the given files; every guess is marked as one."""
    from gossan import pipeline

    files = {"samples.path": samples, "deposits.path": deposits, "geology.path": geology}
    files |= {"faults.path": faults, "project.area": area}
    files |= {f"rasters.{number}.path": path for number, path in enumerate(raster or ())}
    text, guesses = pipeline.draft_project(out, files, crs=crs, overrides=overrides or ())
    _save(out, text.encode())
    shown = [*(f"guess: {key} ({why})" for key, why in guesses.items()), f"project file: {out}"]
    shown.append(f"next: look at the guesses, then gossan check {out}")
    _print({"project": str(out), "guesses": guesses}, as_json, shown)


@app.command()
def check(
    project: ProjectFile,
    out: PageOut = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 3 on a warning too.")] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Read the data and say what a run would make of them, without running it."""
    from gossan import config, pipeline
    from gossan.report.survey import survey_text

    with _progress() as show:
        show(0.0, None, "reading the survey")
        look = pipeline.look_at(config.load_project(project, overrides or ()))
        as_page = out is not None and out.suffix.lower() in (".html", ".htm")
        page = pipeline.draw_look(look) if as_page else None
    if out is not None and page is not None:
        _save(out, page.encode())
    _print(look.found, as_json, survey_text(look.found), None if as_page else out)
    _judge(look.found, strict)


@app.command()
def run(
    project: ProjectFile,
    out: Out = None,
    overrides: Overrides = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make the ranked target map of a project, with its evaluation and report."""
    from gossan import config, pipeline

    with _progress() as show:
        checked = config.load_project(project, overrides or ())
        made = pipeline.run(checked, out, jobs=jobs, on_progress=show)
    _print(_run_object(made), as_json, _run_text(made))


@app.command()
def predict(
    model: Annotated[Path, typer.Option(metavar="RUN", help="Folder of the run that has the model.")],
    on: Annotated[Path, typer.Option(metavar="PROJECT", help="Project file of the survey to score.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Map to write, GeoTIFF.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Score another survey with the model of a run."""
    from gossan import config, pipeline

    with _progress() as show:
        checked = config.load_project(on, overrides or ())
        path = pipeline.predict(model, checked, out, on_progress=show)
    _print({"prediction": str(path)}, as_json, [f"prediction: {path}"])


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Copy the page there.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the report of a run again."""
    from gossan.report import write_report

    if overrides:
        _check_overrides(overrides)
    with _progress() as show:
        show(0.0, None, "drawing the figures")
        path = write_report(folder)
    if out is not None:
        _save(out, path.read_bytes())
    _print({"report": str(out or path)}, as_json, [f"report: {out or path}"])


@app.command()
def doctor(
    out: OutFile = None, overrides: Overrides = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Say what is installed here, what it will compute on, and what is missing."""
    found = _examine(_check_overrides(overrides, "training.device").training.device if overrides else "auto")
    _print(found, as_json, _outline(found), out)
    if found["problems"]:
        raise typer.Exit(1)


# ---- running a command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in given, "--json" in given
    sys.excepthook = partial(_unexpected, debug, as_json)
    _console.cache_clear()
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
    _tell(line if code == 130 else f"error: {line}")
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
            _tell(text)

    warnings.simplefilter("default" if debug else "ignore")
    warnings.simplefilter("always", GossanWarning)
    warnings.showwarning = show


# ---- showing


@cache
def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True)


def _tell(line: str) -> None:
    """Write a line to stderr, above the progress where there is one."""
    _console().print(line, markup=False, highlight=False)


@contextlib.contextmanager
def _progress() -> Iterator["Report"]:
    """Show how far the work is and how long it will take; nothing where stderr is no terminal."""
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}{task.description}"))
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=_console(), transient=True, disable=quiet) as bar:
        line = bar.add_task("starting", total=1.0, left="")

        def show(share: float, seconds_left: float | None, label: str) -> None:
            left = "" if seconds_left is None else f"{_clock(seconds_left)} left, "
            bar.update(line, completed=share, description=escape(label), left=left)

        yield show


def _clock(seconds: float) -> str:
    """Write a time in the unit that it is felt in.

    >>> _clock(7.2), _clock(200), _clock(7300)
    ('8 s', '4 min', '2.0 h')
    """
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print(found: Mapping[str, Any], as_json: bool, text: Sequence[str], out: Path | None = None) -> None:
    content = json.dumps({"format": 1} | _plain(found), ensure_ascii=False, allow_nan=False)
    if out is not None:
        _save(out, f"{content}\n".encode())  # first: where it fails, the error is the one object printed
    typer.echo(content if as_json else "\n".join(text))


def _judge(found: Mapping[str, Any], strict: bool) -> None:
    """Say what weakens or forbids a run, and end with exit code 3 where it must."""
    for kind, key in (("warning", "warnings"), ("error", "problems")):
        for message in found.get(key, ()):
            _tell(f"{kind}: {message}")
    if found.get("problems") or (strict and found.get("warnings")):
        raise typer.Exit(3)


def _save(out: Path, content: bytes) -> None:
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


def _outline(found: Mapping[str, Any], indent: str = "") -> list[str]:
    """Write nested mappings as indented lines, leaving out what is not set.

    >>> _outline({"grid": {"rows": 2}, "camps": 7, "area": None})
    ['grid:', '  rows: 2', 'camps: 7']
    """
    lines = []
    for key, value in found.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", *_outline(value, f"{indent}  ")]
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            lines += _outline({f"{key} {number}": item for number, item in enumerate(value, 1)}, indent)
        elif value is not None:
            several = isinstance(value, list | tuple)
            lines.append(f"{indent}{key}: {', '.join(map(_short, value)) if several else _short(value)}")
    return lines


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# ---- what the commands need


def _run_object(made: "Run") -> dict[str, Any]:
    page = str(made.folder / "report.html")
    return {"folder": str(made.folder), "report": page, "metrics": made.metrics, "targets": len(made.targets)}


def _run_text(made: "Run") -> list[str]:
    metrics = made.metrics
    rows = {metrics.get("model", "model"): metrics.get("summary", {})} | dict(metrics.get("rivals", {}))
    camps = f" ({metrics['camps']} camps)" if metrics.get("camps") else ""
    lines = [f"AUC of deposits held out{camps}, with its 95 % interval over camps:"] if rows else []
    lines += [f"  {name}: {_auc_text(summary.get('auc', {}))}" for name, summary in rows.items()]
    return [*lines, f"targets: {len(made.targets)}", f"report: {made.folder / 'report.html'}"]


def _auc_text(auc: Mapping[str, Any]) -> str:
    if auc.get("mean") is None:
        return "not enough to evaluate"
    interval = auc.get("ci95")
    return f"{auc['mean']:.3f}" + (
        f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else " (no interval)"
    )


def _check_overrides(overrides: Sequence[str], used: str = "") -> "Settings":
    """Check settings where there is no project, and say which of them change nothing."""
    from gossan.config import check_overrides, parse_override

    settings = check_overrides(overrides)
    for text in overrides:
        if parse_override(text)[0] != used:
            message = f"--set {text} has no effect here; give it to `gossan run`, which computes with it"
            warnings.warn(message, SettingWarning, stacklevel=2)
    return settings


def _examine(device: str) -> dict[str, Any]:
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
