"""The study of a project: the grid run by the one Runner, then tables, figures and every run's numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gossan import io
from gossan.config import Project, to_toml
from gossan.errors import UsageError
from gossan.models.training import resolve
from gossan.pipeline.land import without_land
from gossan.pipeline.plan import survey_tasks
from gossan.pipeline.prepare import derive, read_survey
from gossan.pipeline.run import default_folder, input_files, make_runner, no_report, workers_of
from gossan.runs import Failure, Report, RunFolder, Store
from gossan.shown import Shown
from gossan.study.collect import Line, RunRecord, collect, protocol_gaps
from gossan.study.figures import draw_figures
from gossan.study.plan import PROTOCOLS, Grid, Protocol
from gossan.study.variants import TABLES, Table
from gossan.study.write import TITLES, latex, lines_table, markdown, screening_table, shown_table

if TYPE_CHECKING:
    from gossan.survey import Survey

__all__ = ["SMOKE_EPOCHS", "SMOKE_SEEDS", "Study", "study"]

#: With fewer seeds or epochs a table is headed 'smoke': it shows that the study runs, and nothing else.
SMOKE_SEEDS, SMOKE_EPOCHS = 5, 20


@dataclass(frozen=True, repr=False)
class Study(Shown):
    """A finished study.

    Attributes
    ----------
    folder
        ``RUN/study``, where its files are.
    records
        Every single run.
    lines
        Every row of every table, with means and paired differences.
    failed
        Task -> why it failed.
    """

    folder: Path
    records: list[RunRecord]
    lines: list[Line]
    failed: Mapping[str, str]

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "folder", self.folder
        yield "runs", len(self.records)
        for table in sorted({line["table"] for line in self.lines}):
            count = sum(line["table"] == table for line in self.lines)
            yield f"table {table}", f"{count} rows: {TITLES[table]}"
        yield "failed", ", ".join(self.failed)


def study(
    project: Project,
    out: str | Path | None = None,
    *,
    tables: Sequence[int] = (2, *TABLES),
    seeds: int = 5,
    protocols: Sequence[Protocol] = ("strict",),
    jobs: int | None = None,
    scheduler: str | None = None,
    cluster: str | Path | None = None,
    on_progress: Report | None = None,
) -> Study:
    """Rerun the study of the paper on a project: its Tables 2 to 6 and Figures 2, 7 and 8.

    What an earlier study or run into the same folder has computed is not computed again. A fit that fails
    is reported and leaves its row with fewer runs.

    Parameters
    ----------
    project
        As `load_project` returns it.
    out
        Run folder; ``runs/<name>`` beside the project file without it. The study goes to ``study`` in it.
    tables
        Of the paper, from 2 to 6.
    seeds
        Runs of each row, at least 1.
    protocols
        ``strict``, ``paper`` or both.
    jobs, scheduler, cluster, on_progress
        As for `gossan.run`.

    Raises
    ------
    UsageError
        For tables, seeds or protocols that there are none of.
    GossanError
        As `gossan.run` does.
    """
    _check(tables, seeds, protocols)
    project = without_land(project, "study")
    folder = Path(out) if out is not None else default_folder(project)
    files = input_files(project)
    inputs = {name: io.file_hash(path) for name, path in files.items() if io.is_there(path)}
    survey = read_survey(project)
    resolved = derive(project, survey)
    fitted: list[Table] = [table for table in TABLES if table in tables]
    grid = Grid(resolved, fitted, [name for name in PROTOCOLS if name in protocols], seeds)
    report = on_progress or no_report
    with RunFolder(folder) as place, workers_of(resolved, scheduler, cluster, report) as workers:
        runner = make_runner(Store(place.store), resolved, place, jobs, workers, report)
        first = survey_tasks(resolved, inputs)
        design = runner.run(first)["design"]
        results = runner.run([*first, *grid.tasks(design, screening=2 in tables)], keep_going=True)
        made = _made(folder, grid, design, results)
        _write(made, grid, tables, survey, results)
    return made


def _check(tables: Sequence[int], seeds: int, protocols: Sequence[str]) -> None:
    if odd := sorted(set(tables) - {2, *TABLES}):
        raise UsageError(f"table {odd[0]} given; 2, 3, 4, 5 and 6 are the paper's: give some of them")
    if seeds < 1:
        raise UsageError(f"{seeds} seeds given; at least 1 is needed, 5 for a table that says something")
    if odd_protocol := sorted(set(protocols) - set(PROTOCOLS)):
        raise UsageError(f"protocol {odd_protocol[0]!r} given; strict, paper or both are allowed: change it")


def _made(folder: Path, grid: Grid, design: Mapping[str, Any], results: Mapping[str, Any]) -> Study:
    records, lines = collect(grid, design, results)
    failed = {name: each.message for name, each in results.items() if isinstance(each, Failure)}
    return Study(folder / "study", records, lines, failed)


def _write(
    made: Study, grid: Grid, tables: Sequence[int], survey: "Survey", results: Mapping[str, Any]
) -> None:
    made.folder.mkdir(parents=True, exist_ok=True)
    if 2 in tables:
        _write_screening(made.folder, grid, results)
    for table in grid.tables:
        _write_table(made, grid, table)
    if len(grid.protocols) > 1:
        _put_table(made.folder / "protocols", *_protocols(made, grid), None)
    for name, content in draw_figures(grid, tables, survey, made.lines, results).items():
        io.write_bytes(made.folder / name, content)
    record = {
        "format": 1,
        "project": grid.project.project.name,
        "settings": to_toml(grid.project),
        "tables": list(tables),
        "protocols": list(grid.protocols),
        "seeds": grid.seeds,
        "head": _head(grid),
        "failed": dict(made.failed),
        "runs": made.records,
        "lines": made.lines,
        "protocol_gaps": protocol_gaps(made.lines),
    }
    io.write_json(made.folder / "study.json", record)


def _head(grid: Grid) -> str:
    """Say with what a table was made."""
    project, schedule = grid.project, resolve(grid.project.training)
    kept = project.model.depth
    depth = f", first {'block' if kept == 1 else f'{kept} blocks'} of each backbone" if kept else ""
    smoke = grid.seeds < SMOKE_SEEDS or schedule.epochs < SMOKE_EPOCHS
    return (
        ("**Smoke: too few seeds or epochs to conclude from.** " if smoke else "")
        + f"{project.project.name}: windows of {grid.size} px, {schedule.epochs} epochs, {grid.seeds} seeds, "
        f"{project.validation.folds} folds{depth}, device {project.training.device}; mean ± standard "
        "deviation over seeds, in per cent; differences of the AUC in points with 95 % intervals [over "
        "seeds] (over camps). SMOTE unless it says without; * = with MFAF."
    )


def _write_table(made: Study, grid: Grid, table: Table) -> None:
    for protocol in grid.protocols:
        lines = [line for line in made.lines if line["table"] == table and line["protocol"] == protocol]
        first_extra = next((n for n, line in enumerate(lines) if line["extra"]), None)
        title = f"Table {table}. {TITLES[table]}, {protocol} protocol"
        suffix = "" if len(grid.protocols) == 1 else f"_{protocol}"
        _put_table(made.folder / f"table{table}{suffix}", title, _head(grid), lines, first_extra)


def _protocols(made: Study, grid: Grid) -> tuple[str, str, list[Line]]:
    words = "The paper's protocol minus the strict one: what random splits and synthetic test windows add. "
    return "What the paper's protocol adds", words + _head(grid), protocol_gaps(made.lines)


def _put_table(path: Path, title: str, words: str, lines: Sequence[Line], first_extra: int | None) -> None:
    shown = shown_table(lines)
    io.write_csv(path.with_suffix(".csv"), lines_table(lines))
    for suffix, write in ((".md", markdown), (".tex", latex)):
        text = write(title, words, shown, line_before=first_extra)
        io.write_bytes(path.with_suffix(suffix), text.encode())


def _untested(screening: Any) -> str:
    if isinstance(screening, Failure):
        return "The screening failed; the log of the run says why."
    return screening.get("note") or "The screening is off: screen.enabled = false."


def _write_screening(folder: Path, grid: Grid, results: Mapping[str, Any]) -> None:
    for protocol in grid.protocols:
        tested = results[f"screen all {protocol}"]
        table = None if isinstance(tested, Failure) else tested["table"]
        suffix = "" if len(grid.protocols) == 1 else f"_{protocol}"
        path = folder / f"table2{suffix}"
        if table is None:
            io.write_bytes(path.with_suffix(".md"), f"{_untested(tested)}\n".encode())
            continue
        io.write_csv(path.with_suffix(".csv"), table)
        shown = screening_table(table)
        title = f"Table 2. {TITLES[2]}, {protocol} protocol"
        words = f"All samples of {grid.project.project.name}; AUC and Z_AUC are cut to 4 digits, not rounded."
        for ending, write in ((".md", markdown), (".tex", latex)):
            io.write_bytes(path.with_suffix(ending), write(title, words, shown).encode())
