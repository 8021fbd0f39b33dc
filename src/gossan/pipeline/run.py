"""The main job: a project's files in, a run folder out."""

import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

from gossan import io
from gossan.config import Project, load_project, to_toml
from gossan.errors import GossanWarning, RunError, SettingWarning, UsageError
from gossan.models import names as model_names
from gossan.pipeline.gis import write_gis
from gossan.pipeline.land import refuse_closed
from gossan.pipeline.meanwhile import GoOn, meanwhile
from gossan.pipeline.outputs import write_outputs
from gossan.pipeline.plan import fold_tasks, land_paths, survey_paths, survey_tasks, weights_file
from gossan.pipeline.prepare import derive, read_survey
from gossan.pipeline.results import Findings, areas_of
from gossan.report import Page, drawing
from gossan.runs import Cluster, Report, RunFolder, Runner, Store, connected
from gossan.shown import Shown

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "Run",
    "default_folder",
    "demo",
    "input_files",
    "make_runner",
    "no_report",
    "run",
    "workers_of",
]


@dataclass(frozen=True, repr=False)
class Run(Shown):
    """A finished run.

    Attributes
    ----------
    folder
        Where its files are.
    metrics
        Content of ``metrics.json``.
    targets
        Content of ``targets.csv``.
    """

    folder: Path
    metrics: Mapping[str, Any]
    targets: "pd.DataFrame"

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "report", self.report
        yield "camps", self.metrics.get("camps", "")
        models = {self.metrics.get("model", "model"): self.metrics.get("summary", {})}
        for name, summary in (models | dict(self.metrics.get("rivals", {}))).items():
            auc = summary.get("auc", {})
            mean, ends = auc.get("mean"), auc.get("ci95")
            between = f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
            yield f"AUC of {name}", "not enough to evaluate" if mean is None else f"{mean:.2f}{between}"
        best = ", ".join(str(number) for number in self.targets["number"].head(5))
        yield "targets", f"{len(self.targets)}" + (f"; the best are areas {best}" if best else "")


def run(
    project: Project,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    cluster: str | Path | None = None,
    on_progress: Report | None = None,
) -> Run:
    """Go from a project's files to a ranked, evaluated map of targets.

    What did not change since an earlier run into the same folder is not computed again; a run that was
    stopped goes on where it was.

    Parameters
    ----------
    project
        As `load_project` returns it.
    out
        Run folder; ``runs/<name>`` beside the project file without it.
    jobs
        Processes; the number of cores without it. It does not change the result.
    scheduler, cluster
        Address of a scheduler of Dask, or a file that names a cluster to start, whose workers do the tasks
        instead; neither changes the result. Run folder and files must lie where all machines see them.
    on_progress
        Called with the share done, the seconds left (None while unknown) and what is being done.

    Raises
    ------
    GossanError
        In one line; nothing half-written is left behind.
    """
    import pandas as pd
    import rasterio

    folder = Path(out) if out is not None else default_folder(project)
    _warn_of_jobs(jobs, scheduler, cluster)  # here, since it is no fact of the survey for the report
    with _collected() as told:
        files = input_files(project)
        inputs = {name: io.file_hash(path) for name, path in files.items() if io.is_there(path)}
        survey = read_survey(project)  # refuses what is not there
        resolved = derive(project, survey)
        report = on_progress or no_report
        with RunFolder(folder) as place, workers_of(resolved, scheduler, cluster, report) as workers:
            runner = make_runner(Store(place.store), resolved, place, jobs, workers, report)
            with runner.held(_imports(resolved)):
                first = survey_tasks(resolved, inputs)
                begun = runner.run(first)
                design = begun["design"]
                refuse_closed(survey, begun["prepare"]["stack"]["valid"].values, areas_of(design))
                _refuse_changed(files, inputs, place)  # from here on, no file of the survey is read
                tasks = [*first, *fold_tasks(resolved, design)]
                with _stack_written(place.staging, begun["prepare"]["stack"], runner.jobs):
                    results = runner.run(tasks)
            report(1.0, None, "writing the maps and the report")
            found = Findings(resolved, survey, results, told, inputs)
            with rasterio.Env(GDAL_NUM_THREADS=runner.jobs), drawing(runner.jobs) as helpers:
                metrics = write_outputs(found, place.staging)
                page = Page(place.staging, helpers)
                write_gis(place.staging, page.model, page.maps)
                page.write()
            place.publish(
                project=resolved.project.name,
                settings=to_toml(resolved),
                inputs=inputs,
                tasks=runner.keys(tasks),
            )
    return Run(folder, metrics, pd.read_csv(folder / "targets.csv"))


def _stack_written(folder: Path, stack: "xr.Dataset", jobs: int) -> AbstractContextManager[None]:
    """Write the stack beside a block in which other processes compute; before it where this one does."""
    import rasterio

    def write(go_on: GoOn = lambda: None) -> None:
        with rasterio.Env(GDAL_NUM_THREADS=jobs):  # threads to compress with; the bytes are the same
            io.write_stack(folder / "stack.tif", stack, between=go_on)

    if jobs > 1:
        return meanwhile(write)
    write()
    return nullcontext()


def _imports(project: Project) -> list[str]:
    """Name what the workers of a run import while they wait."""
    networks = ["gossan.pipeline.ahead:networks"] if project.model.name in model_names("network") else []
    return ["gossan.pipeline.ahead:screening", *networks]


def _refuse_changed(files: Mapping[str, Path], inputs: Mapping[str, str], place: RunFolder) -> None:
    """Stop where a file is no longer what it was: what was computed may be of neither content."""
    changed = [name for name, known in inputs.items() if io.file_hash(files[name]) != known]
    if changed:
        shutil.rmtree(place.store, ignore_errors=True)
        raise RunError(
            f"{', '.join(changed)} changed while it was read; files must stay as they are during a run; "
            "run again"
        )


def default_folder(project: Project) -> Path:
    """Return the run folder of a project that names none."""
    base = project.file.parent if project.file else Path()
    return base / "runs" / project.project.name


def no_report(share: float, seconds_left: float | None, label: str) -> None:
    """Report nothing."""


def _warn_of_jobs(jobs: int | None, scheduler: str | None, cluster: str | Path | None) -> None:
    if jobs is not None and (scheduler, cluster) != (None, None):
        option = "--scheduler" if cluster is None else "--cluster"
        message = f"--jobs {jobs} has no effect with {option}, whose workers do the tasks; leave it out"
        warnings.warn(message, SettingWarning, stacklevel=3)


def workers_of(
    project: Project, scheduler: str | None, cluster: str | Path | None, report: Report
) -> AbstractContextManager[Cluster | None]:
    """Make the connection to the workers of Dask that were asked for; an empty one otherwise."""
    if (scheduler, cluster) != (None, None):
        report(0.0, None, "asking for workers")
    return connected(scheduler, cluster, device=project.training.device)


def make_runner(
    store: Store,
    project: Project,
    place: RunFolder,
    jobs: int | None,
    cluster: Cluster | None,
    report: Report,
) -> Runner:
    """Make the runner of a project, which logs into the run folder."""
    from joblib import cpu_count

    from gossan.models.base import device_type

    return Runner(
        store,
        jobs=jobs or cpu_count(),
        threads=project.training.threads,
        device=device_type(project.training.device),
        cluster=cluster,
        log=place.log,
        progress=report,
    )


def input_files(project: Project) -> dict[str, Path]:
    """Name every file that a project reads, by the path that the project gives."""
    files = {path: project.resolve(path) for path in (*survey_paths(project), *land_paths(project))}
    weights = weights_file(project)
    return files if weights is None else files | {project.model.weights: weights}


@contextmanager
def _collected() -> Iterator[list[str]]:
    """Collect our own warnings and show each once; a stored result gives its warnings again."""
    told: list[str] = []
    show = warnings.showwarning

    def keep(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        ours = issubclass(category, GossanWarning)
        if not ours or str(message) not in told:
            show(message, category, filename, lineno, file, line)
        if ours and str(message) not in told:
            told.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", GossanWarning)
        warnings.showwarning = keep
        yield told


#: The demo: a coarser grid of the built-in survey, and settings that two cores finish in minutes. Those of
#: the model were chosen on seeds 100 to 105 of that survey (``scripts/mfaf_tuning.py``).
DEMO = {
    "model": ['name = "mfaf-shufflenet-v2"', "width = 0.5", "depth = 1", "summary = true"],
    "windows": ["size = 16", "strides = [16]"],
    "training": ["epochs = 8", "lr = 1e-3", "ensemble = 5"],
    "balance": ['method = "weights"'],
    "screen": ["folds = 2"],
}
DEMO_SIZE, DEMO_RESOLUTION = 192, 203.125


def demo(
    out: str | Path,
    *,
    seed: int = 0,
    null: bool = False,
    overrides: Sequence[str] = (),
    jobs: int | None = None,
    on_progress: Report | None = None,
) -> Run:
    """Write the built-in survey as files and run the whole main job on them.

    Parameters
    ----------
    out
        Folder; the files go to ``survey`` in it, the run to ``run``.
    seed, null
        Which draw of the survey; as for `gossan.synthetic_survey`.
    overrides
        ``key=value`` settings, as of ``--set``.
    """
    from gossan.synthetic import laboratory_table, synthetic_survey

    survey = synthetic_survey(seed, size=DEMO_SIZE, resolution=DEMO_RESOLUTION, null=null)
    lines = ["[project]", 'truth = "truth.csv"']
    for section, settings in DEMO.items():
        lines += [f"[{section}]", *settings]
    folder = Path(out) / "survey"
    with TemporaryDirectory() as draft:
        file = io.write_survey(survey, Path(draft), table=laboratory_table(survey), settings=lines)
        load_project(file, overrides)  # refuses a wrong setting before anything is written
        _put(Path(draft), folder)
    project = load_project(folder / file.name, overrides)
    return run(project, Path(out) / "run", jobs=jobs, on_progress=on_progress)


def _put(draft: Path, folder: Path) -> None:
    """Move files into a folder that is new or holds nothing but earlier ones of the same names."""
    names = {file.name for file in draft.iterdir()}
    if folder.parent.is_file() or folder.is_file():
        raise UsageError(f"{folder.parent} is a file or holds a file 'survey'; give a folder with --out")
    strange = sorted({file.name for file in folder.iterdir()} - names) if folder.is_dir() else []
    if strange:
        raise UsageError(
            f"{folder} holds {strange[0]}, which is none of the demo's files; give another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(names):
        shutil.move(draft / name, folder / name)
