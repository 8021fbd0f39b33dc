"""The commands."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gossan import __version__
from gossan.cli.options import (
    AsJson,
    ClusterFile,
    Debug,
    Given,
    Jobs,
    Out,
    OutFile,
    Overrides,
    PageOut,
    ProjectFile,
    Scheduler,
    app,
)
from gossan.cli.results import (
    asked_protocols,
    asked_tables,
    check_overrides,
    drawn_run,
    guess_lines,
    open_browser,
    run_object,
    run_text,
    study_object,
    study_text,
)
from gossan.cli.show import judge, progress, save, show_result, tell

__all__: list[str] = []


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

    with progress() as show:
        made = pipeline.demo(out, overrides=overrides or (), jobs=jobs, on_progress=show)
    show_result(run_object(made), as_json, run_text(made), drawn=lambda: drawn_run(made))


@app.command()
def init(
    samples: Annotated[Path, typer.Option(help="Table or layer of the analyses.", show_default=False)],
    deposits: Annotated[Path, typer.Option(help="Table or layer of the known deposits.", show_default=False)],
    geology: Given = None,
    faults: Given = None,
    area: Given = None,
    raster: Annotated[list[Path] | None, typer.Option(help="Further raster; may be repeated.")] = None,
    exclude: Annotated[
        list[Path] | None, typer.Option(help="Ground where nothing is proposed; may be repeated.")
    ] = None,
    tenure: Annotated[list[Path] | None, typer.Option(help="Who holds the ground; may be repeated.")] = None,
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
    for section, paths in (("rasters", raster), ("exclude", exclude), ("tenure", tenure)):
        files |= {f"{section}.{number}.path": path for number, path in enumerate(paths or ())}
    text, guesses = pipeline.draft_project(out, files, crs=crs, overrides=overrides or ())
    save(out, text.encode())
    shown = [
        *guess_lines(guesses),
        f"project file: {out}",
        f"next: look at the guesses, then gossan check {out}",
    ]
    show_result({"project": str(out), "guesses": guesses}, as_json, shown)


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
    from gossan.report.survey import survey_drawn, survey_text

    with progress() as show:
        show(0.0, None, "reading the survey")
        look = pipeline.look_at(config.load_project(project, overrides or ()))
        as_page = out is not None and out.suffix.lower() in (".html", ".htm")
        page = pipeline.draw_look(look) if as_page else None
    if out is not None and page is not None:
        save(out, page.encode())
    drawn = partial(survey_drawn, look.found)
    show_result(look.found, as_json, survey_text(look.found), None if as_page else out, drawn=drawn)
    judge(look.found, strict)


@app.command()
def run(
    project: ProjectFile,
    out: Out = None,
    overrides: Overrides = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    cluster: ClusterFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make the ranked target map of a project, with its evaluation and report."""
    from gossan import config, pipeline

    with progress() as show:
        checked = config.load_project(project, overrides or ())
        made = pipeline.run(checked, out, jobs=jobs, scheduler=scheduler, cluster=cluster, on_progress=show)
    show_result(run_object(made), as_json, run_text(made), drawn=lambda: drawn_run(made))


@app.command()
def study(
    project: ProjectFile,
    table: Annotated[
        str, typer.Option("--table", help="2, 3, 4, 5, 6, several with commas, or all.")
    ] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each row; under 5 it is a smoke test.")] = 5,
    protocol: Annotated[str, typer.Option(help="strict, paper or both.")] = "strict",
    out: Out = None,
    overrides: Overrides = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    cluster: ClusterFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Rerun the paper's study on a project: its Tables 2 to 6 and Figures 2, 7 and 8."""
    from gossan import config, study

    how: dict[str, Any] = {
        "tables": asked_tables(table),
        "seeds": seeds,
        "protocols": asked_protocols(protocol),
    }
    where: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler, "cluster": cluster}
    with progress() as show:
        checked = config.load_project(project, overrides or ())
        made = study.study(checked, out, **how, **where, on_progress=show)
    show_result(study_object(made), as_json, study_text(made))


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

    with progress() as show:
        checked = config.load_project(on, overrides or ())
        path = pipeline.predict(model, checked, out, on_progress=show)
    show_result({"prediction": str(path)}, as_json, [f"prediction: {path}"])


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Copy the page there.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the report of a run again."""
    from joblib import cpu_count

    from gossan.report import drawing, write_report

    if overrides:
        check_overrides(overrides)
    with progress() as show, drawing(cpu_count()) as helpers:
        show(0.0, None, "drawing the figures")
        path = write_report(folder, helpers)
    if out is not None:
        save(out, path.read_bytes())
    show_result({"report": str(out or path)}, as_json, [f"report: {out or path}"])


@app.command()
def view(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Folder of a run, or a map of predict.", show_default=False),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the maps of a run in the browser, however large they are, until Ctrl-C."""
    from gossan.view import ViewServer

    with ViewServer(run, port=port, tell=tell) as server:
        show_result({"address": server.address}, as_json, [server.address])
        if browser:
            open_browser(server.address)
        server.serve()


@app.command()
def doctor(
    out: OutFile = None, overrides: Overrides = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Say what is installed here, what it will compute on, and what is missing."""
    from gossan.cli.doctor import drawn_doctor, examine, outline

    found = examine(check_overrides(overrides, "training.device").training.device if overrides else "auto")
    show_result(found, as_json, outline(found), out, drawn=lambda: drawn_doctor(found))
    if found["problems"]:
        raise typer.Exit(1)


@app.command()
def qgis_plugin(
    out: Annotated[Path, typer.Option("--out", "-o", help="Zip to write.")] = Path("gossan_processing.zip"),
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the plugin with which QGIS runs this program, for its 'Install from ZIP'."""
    from gossan import qgis

    if overrides:
        check_overrides(overrides)
    program = qgis.own_program()
    save(out, qgis.plugin_zip(program))
    told = program or "not known; set its path in QGIS (Settings > Options > Processing > Providers)"
    show_result({"plugin": str(out), "program": program}, as_json, [f"plugin: {out}", f"program: {told}"])
