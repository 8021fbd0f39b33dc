"""What the commands need."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gossan.errors import SettingWarning, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gossan.config import Settings
    from gossan.pipeline import Run
    from gossan.study import Study

__all__ = [
    "asked_protocols",
    "asked_tables",
    "check_overrides",
    "drawn_run",
    "guess_lines",
    "open_browser",
    "run_object",
    "run_text",
    "study_object",
    "study_text",
]


def guess_lines(guesses: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say each guess of a first project file in a line; settings that have one reason share theirs."""
    by_reason: dict[str, list[str]] = {}
    lines = []
    for key, one in guesses.items():
        value = one["value"]
        said = f"{key} = {'default' if value is None else list(value) if isinstance(value, tuple) else value}"
        if key.startswith(("project.", "samples.", "deposits.", "geology.", "faults.", "rasters.")):
            lines.append(f"guess: {said} ({one['why']})")
        else:
            by_reason.setdefault(one["why"], []).append(said)
    return lines + [f"setting: {', '.join(said)} ({why})" for why, said in by_reason.items()]


def run_object(made: "Run") -> dict[str, Any]:
    """Give what ``--json`` prints of a run."""
    page = str(made.folder / "report.html")
    return {"folder": str(made.folder), "report": page, "metrics": made.metrics, "targets": len(made.targets)}


def run_text(made: "Run") -> list[str]:
    """Say in lines what came of a run."""
    camps = _camps(made.metrics)
    rows = _scores(made.metrics)
    lines = [f"AUC of deposits held out{camps}, with its 95 % interval over camps:"] if rows else []
    for name, auc, interval in rows:
        ends = interval and f" ({interval})"
        lines.append(f"  {name}: {auc}{ends}")
    return [*lines, *_below(made)]


def drawn_run(made: "Run") -> Iterator["RenderableType"]:
    """Draw what came of a run: the model, its rivals, and where the rest is."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.title = f"AUC of deposits held out{_camps(made.metrics)}"
    table.add_column("model")
    table.add_column("AUC", justify="right")
    table.add_column("95 % interval over camps")
    for number, row in enumerate(_scores(made.metrics)):
        table.add_row(*map(Text, row), style="bold" if number == 0 else None)
    if table.rows:
        yield table
    yield from (Text(line) for line in _below(made))


def _scores(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List name, AUC and interval of the model and its rivals."""
    rows = {metrics.get("model", "model"): metrics.get("summary", {})} | dict(metrics.get("rivals", {}))
    return [(name, *_auc_text(summary.get("auc", {}))) for name, summary in rows.items()]


def _auc_text(auc: Mapping[str, Any]) -> tuple[str, str]:
    if auc.get("mean") is None:
        return "not enough to evaluate", ""
    interval = auc.get("ci95")
    digits = 3 if interval and interval[1] - interval[0] < 0.02 else 2  # no more than the interval carries
    ends = f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}" if interval else "no interval"
    return f"{auc['mean']:.{digits}f}", ends


def _camps(metrics: Mapping[str, Any]) -> str:
    return f" ({metrics['camps']} camps)" if metrics.get("camps") else ""


def _below(made: "Run") -> list[str]:
    return [f"targets: {len(made.targets)}", f"report: {made.folder / 'report.html'}"]


def check_overrides(overrides: Sequence[str], used: str = "") -> "Settings":
    """Check settings where there is no project, and say which of them change nothing."""
    from gossan.config import check_overrides, parse_override

    settings = check_overrides(overrides)
    for text in overrides:
        if parse_override(text)[0] != used:
            message = f"--set {text} has no effect here; give it to `gossan run`, which computes with it"
            warnings.warn(message, SettingWarning, stacklevel=2)
    return settings


# ---- of a study


def asked_tables(given: str) -> list[int]:
    """Read ``--table``: numbers with commas, or all.

    >>> asked_tables("3,6")
    [3, 6]
    """
    every = {str(number): number for number in (2, 3, 4, 5, 6)}
    wanted = list(every) if given.strip().lower() == "all" else [part.strip() for part in given.split(",")]
    if odd := [part for part in wanted if part not in every]:
        raise UsageError(f"--table {odd[0]!r} given; 2, 3, 4, 5, 6 with commas, or all: give one of them")
    return [every[part] for part in wanted]


def asked_protocols(given: str) -> list[Any]:
    """Read ``--protocol``: strict, paper or both.

    >>> asked_protocols("both")
    ['strict', 'paper']
    """
    known = {"strict": ["strict"], "paper": ["paper"], "both": ["strict", "paper"]}
    if given not in known:
        raise UsageError(f"--protocol {given!r} given; it is strict, paper or both: change it")
    return known[given]


def study_object(made: "Study") -> dict[str, Any]:
    """Give what ``--json`` prints of a study."""
    return {"folder": str(made.folder), "runs": len(made.records), "failed": dict(made.failed)}


def study_text(made: "Study") -> list[str]:
    """Say in lines what came of a study."""
    lines = [f"{len(made.records)} runs in {made.folder}: tables as .csv, .md and .tex, figures, study.json"]
    return [*lines, *(f"failed: {name}: {why}" for name, why in made.failed.items())]


# ---- of a view


def open_browser(address: str) -> None:
    """Open an address in the browser, if there is one, without waiting for it."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
