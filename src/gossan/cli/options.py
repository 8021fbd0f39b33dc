"""The program and the options that its commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__: list[str] = []

app = typer.Typer(
    name="gossan",
    help="From survey files to a ranked, explained and honestly evaluated map of mineral targets.",
    add_completion=True,
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
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Do the tasks on the workers of this scheduler of Dask (tcp://HOST:PORT)."
    ),
]
ClusterFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Start the cluster that a TOML or YAML file names, and do the tasks there."
    ),
]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes; all cores without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Given = Annotated[Path | None, typer.Option(help="File for the project; its path is written into it.")]
