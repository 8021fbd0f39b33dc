"""The grid of a study as tasks: variants x folds x seeds, under one or both protocols."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from gossan.config import Project
from gossan.models import names
from gossan.pipeline.plan import fitting, parts
from gossan.runs import Task
from gossan.study.draws import TEST_COPIES, TRAIN_COPIES
from gossan.study.variants import Table, Variant, as_variant, rows_of

__all__ = ["PROTOCOLS", "Grid", "Protocol"]

Protocol = Literal["strict", "paper"]
PROTOCOLS: tuple[Protocol, ...] = ("strict", "paper")

#: The study's number in the seeds of its draws, beside the stages of `gossan.pipeline.tasks`.
STAGE = 20


@dataclass(frozen=True)
class Grid:
    """What a study fits.

    Attributes
    ----------
    project
        Resolved.
    tables
        Of the paper, from 3 to 6.
    protocols
        ``strict``: camps held out whole; ``paper``: its own random split and synthetic test windows.
    seeds
        Fits of each variant, at least 1: other starting weights, batches and synthetic windows under the
        strict protocol; another draw and split of windows as well under the paper's.
    """

    project: Project
    tables: Sequence[Table]
    protocols: Sequence[Protocol]
    seeds: int

    @property
    def size(self) -> int:
        """Side of a window, pixels."""
        return int(self.project.windows.size or 0)

    def rows(self, table: Table) -> list[Variant]:
        """List the rows of a table."""
        return rows_of(table, self.size)

    @property
    def variants(self) -> dict[str, Variant]:
        """Every different fit of the tables, by name."""
        found = {row.fit: row for table in self.tables for row in self.rows(table) if row.model}
        return dict(sorted(found.items()))

    def parts(self, design: Mapping[str, Any], protocol: Protocol, seed: int) -> list[str]:
        """Name the folds of one seed."""
        if protocol == "paper":
            return [f"paper {seed}/0"]
        return [part for part in parts(design) if part.startswith("strict 0/")]

    def tasks(self, design: Mapping[str, Any], *, screening: bool = False) -> list[Task]:
        """List the tasks that come after the survey's own.

        Parameters
        ----------
        screening
            Also screen with all samples, for Table 2: ``screen all <protocol>``.
        """
        tasks: list[Task] = []
        if screening:
            tasks += [self._screen(f"screen all {name}", "all", name) for name in self.protocols]
        if "paper" in self.protocols and self.tables:
            tasks.append(self._draws())
        for protocol in self.protocols:
            if not self.tables:
                continue
            for part in dict.fromkeys(p for s in range(self.seeds) for p in self.parts(design, protocol, s)):
                tasks.append(self._screen(f"screen {part}", part, protocol))
            for seed in range(self.seeds):
                for part in self.parts(design, protocol, seed):
                    tasks += self._fits(part, seed)
        return tasks

    def _draws(self) -> Task:
        settings = {"seeds": self.seeds, "seed": [self.project.project.seed, STAGE]}
        return Task("study design", "gossan.study.draws:draw_parts", settings, {"design": "design"}, 0.1)

    def _inputs(self, part: str) -> dict[str, str]:
        drawn = "study design" if part.startswith("paper") else "design"
        return {"prepare": "prepare", "design": drawn}

    def _screen(self, name: str, part: str, protocol: Protocol) -> Task:
        project = self.project
        settings = {
            "part": part,
            "settings": asdict(project.screen),
            "block": project.validation.block,
            "protocol": protocol,
            "seed": [project.project.seed, STAGE, 1, *_place(part)],
        }
        weight = 10 if project.screen.enabled and protocol == "strict" else 0.2
        return Task(name, "gossan.pipeline.tasks:screen", settings, self._inputs(part), weight)

    def _fits(self, part: str, seed: int) -> Iterator[Task]:
        protocol = part.split(" ")[0]
        for name, variant in self.variants.items():
            project = as_variant(self.project, variant)
            project = replace(project, balance=replace(project.balance, copies=self._copies(protocol)))
            settings: dict[str, Any] = {
                "part": part,
                "settings": fitting(project),
                "seed": [project.project.seed, STAGE, 2, seed, *_place(part)],
            }
            if protocol == "paper":
                settings["test_copies"] = TEST_COPIES
            yield Task(
                _task_name(name, part, seed),
                "gossan.pipeline.fits:fit",
                settings,
                {**self._inputs(part), "screen": f"screen {part}"},
                weight=20 if variant.model in names("network") else 1,
            )

    def _copies(self, protocol: str) -> float | None:
        return TRAIN_COPIES if protocol == "paper" else None

    def prediction_tasks(
        self, design: Mapping[str, Any], variant: Variant, protocol: Protocol, seed: int
    ) -> list[str]:
        """Name the fits of one run."""
        return [_task_name(variant.fit, part, seed) for part in self.parts(design, protocol, seed)]


def _task_name(fit: str, part: str, seed: int) -> str:
    """Name a fit: under the strict protocol all seeds share the folds."""
    return f"study {part} seed {seed} {fit}"


def _place(part: str) -> list[int]:
    """Repeat and fold of a part; [] for ``all``."""
    return [int(number) for number in part.split(" ")[1].split("/")] if " " in part else []
