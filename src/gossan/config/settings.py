"""What a project file can say: the rooms' settings composed, and the table of allowed numbers."""

import os
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from gossan.balance import BalanceSettings
from gossan.barren import BarrenSettings
from gossan.budget import BudgetSettings
from gossan.dense import DenseSettings
from gossan.errors import UsageError
from gossan.explain import ExplainSettings
from gossan.interpolate import InterpolateSettings
from gossan.models import ModelSettings
from gossan.models.training import TrainingSettings
from gossan.screen import ScreenSettings
from gossan.shown import Shown
from gossan.split import ValidationSettings
from gossan.survey import (
    DepositSource,
    ExcludeSource,
    FaultSource,
    GeologySource,
    RasterSource,
    SampleSource,
    TenureSource,
)
from gossan.targets import TargetSettings
from gossan.windows import WindowSettings

__all__ = [
    "LIMITS",
    "MANY",
    "OPTIONAL",
    "REQUIRED",
    "Limit",
    "Project",
    "ProjectSettings",
    "Settings",
    "members",
    "sections",
]

#: The keys without which there is no project.
REQUIRED = ("project.crs", "samples.path", "deposits.path")

#: The sections that a project may lack.
OPTIONAL = ("geology", "faults", "rasters", "exclude", "tenure")

#: Those of them that a project may have many of.
MANY = ("rasters", "exclude", "tenure")


@dataclass(frozen=True, kw_only=True)
class ProjectSettings:
    """``[project]``: what the survey is called, where it lies and how fine its grid is.

    Attributes
    ----------
    name
        Name of the survey in the report and of the run folder, without slashes; without it the project
        file's own.
    crs
        Coordinate reference system of the maps: projected, in metres, such as "EPSG:32650".
    data
        Folder that paths start from, `~` and `$VARIABLES` allowed; without it the project file's own.
    area
        Polygon file; everything outside is left out. Without it the box around the samples.
    resolution
        Side of a pixel, metres; without it a quarter of the sample spacing, rounded down.
    seed
        Start of every random draw.
    truth
        Table of what is really there, hidden deposits included; for made surveys only.
    """

    name: str = "survey"
    crs: str
    data: str | None = None
    area: str | None = None
    resolution: float | None = None
    seed: int = 0
    truth: str | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a project file can say, section by section."""

    # read by pydantic, which hands it on to the dataclasses inside
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "strict": True, "allow_inf_nan": False}

    project: ProjectSettings
    samples: SampleSource
    deposits: DepositSource
    geology: GeologySource | None = None
    faults: FaultSource | None = None
    rasters: tuple[RasterSource, ...] = ()
    exclude: tuple[ExcludeSource, ...] = ()
    tenure: tuple[TenureSource, ...] = ()
    screen: ScreenSettings = field(default_factory=ScreenSettings)
    interpolate: InterpolateSettings = field(default_factory=InterpolateSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    barren: BarrenSettings = field(default_factory=BarrenSettings)
    balance: BalanceSettings = field(default_factory=BalanceSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    targets: TargetSettings = field(default_factory=TargetSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    dense: DenseSettings = field(default_factory=DenseSettings)
    explain: ExplainSettings = field(default_factory=ExplainSettings)


@dataclass(frozen=True, kw_only=True, repr=False)
class Project(Shown, Settings):
    """A checked project.

    Attributes
    ----------
    file
        The project file it was read from.
    overrides
        What ``--set`` changed, as given.
    """

    file: Path | None = None
    overrides: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that paths start from."""
        base = self.file.parent if self.file else Path()
        data = self.project.data
        return base if data is None else base / _expand(data, "project.data")

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "name", self.project.name
        yield "CRS", self.project.crs
        yield "file", self.file or "none"
        for name in ("samples", "deposits", "geology", "faults"):
            source = getattr(self, name)
            yield name, "none" if source is None else source.path
        yield "rasters", ", ".join(raster.name or raster.path for raster in self.rasters)
        size, metres = self.windows.size, self.windows.size_m
        yield "windows", f"{size} px" if size else f"{metres:g} m" if metres else "derived from the data"
        yield "model", self.model.name
        yield "changed", ", ".join(self.overrides)

    def resolve(self, path: str) -> Path:
        """Turn a path of the project file into an absolute one.

        Raises
        ------
        UsageError
            When the path names an environment variable that is not set.
        """
        return Path(os.path.abspath(self.folder / _expand(path, "path")))


def _expand(path: str, key: str) -> Path:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise UsageError(
                f'{key} "{path}": the environment variable {name} is not set; set it to a folder'
            )
        return os.environ[name]

    return Path(re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, path)).expanduser()


# ---- what a value may be beyond its type


@dataclass(frozen=True)
class Limit:
    """A range of numbers; `over` and `under` leave the bound itself out."""

    least: float | None = None
    most: float | None = None
    over: float | None = None
    under: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.over is None or value > self.over)
            and (self.under is None or value < self.under)
        )

    def __str__(self) -> str:
        parts = {"at least": self.least, "above": self.over, "at most": self.most, "below": self.under}
        return " and ".join(f"{word} {bound:g}" for word, bound in parts.items() if bound is not None)

    @property
    def schema(self) -> dict[str, float]:
        """The range in the words of JSON Schema."""
        names = {
            "minimum": self.least,
            "maximum": self.most,
            "exclusiveMinimum": self.over,
            "exclusiveMaximum": self.under,
        }
        return {name: bound for name, bound in names.items() if bound is not None}


_positive = Limit(over=0)
_count = Limit(least=1)
_amount = Limit(least=0)

#: Allowed numbers by key; a list is held to it item by item, a word in a number's place is not.
LIMITS: Mapping[str, Limit] = {
    "project.resolution": _positive,
    "project.seed": _amount,
    "faults.density_radius": _positive,
    "rasters.band": _count,
    "exclude.buffer": _amount,
    "screen.ore_distance": _positive,
    "screen.critical": _amount,
    "screen.level": Limit(over=0, under=1),
    "screen.folds": Limit(least=2),
    "screen.draws": _count,
    "screen.null_draws": _count,
    "interpolate.power": _positive,
    "interpolate.neighbours": _count,
    "interpolate.radius": _positive,
    "interpolate.max_gap": _positive,
    "interpolate.error": _positive,
    "windows.size": Limit(least=16),
    "windows.size_m": _positive,
    "windows.strides": _count,
    "windows.offsets": _amount,
    "windows.min_valid": Limit(over=0, most=1),
    "barren.ratio": Limit(least=1),
    "barren.distance": _amount,
    "barren.draws": _count,
    "barren.quantile": Limit(least=0, under=1),
    "balance.factor": Limit(least=1),
    "balance.noise_variance": _amount,
    "balance.copies": Limit(least=0, most=1),
    "model.rates": _count,
    "model.beta": _amount,
    "model.temperature": _positive,
    "model.width": _positive,
    "model.depth": _count,
    "training.epochs": _count,
    "training.batch": Limit(least=2),
    "training.lr": _positive,
    "training.momentum": Limit(least=0, under=1),
    "training.weight_decay": _amount,
    "training.patience": _count,
    "training.threads": _count,
    "training.ensemble": _count,
    "validation.folds": Limit(least=3),
    "validation.block": _positive,
    "validation.dead_zone": _amount,
    "validation.repeats": _count,
    "validation.tune": _count,
    "validation.inner": _amount,
    "targets.threshold": Limit(least=0, most=1),
    "targets.budget": Limit(over=0, most=1),
    "targets.count": _count,
    "budget.cost_per_target": _positive,
    "budget.cost_per_km2": _positive,
    "budget.value_per_hit": _positive,
    "dense.stride": _count,
    "explain.repeats": _count,
    "explain.steps": Limit(least=8),
}


# ---- what the dataclasses say about themselves


@cache
def sections() -> tuple[tuple[str, Any], ...]:
    """List the sections in the order of the file, each with its dataclass."""
    hints = typing.get_type_hints(Settings)
    kinds = ((each.name, members(hints[each.name])[0]) for each in fields(Settings))
    return tuple((name, next(iter(typing.get_args(kind)), kind)) for name, kind in kinds)


def members(kind: Any) -> tuple[Any, ...]:
    """List what a type can be, without None.

    >>> members(int | None)
    (<class 'int'>,)
    """
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return (kind,)
    return tuple(member for member in typing.get_args(kind) if member is not types.NoneType)
