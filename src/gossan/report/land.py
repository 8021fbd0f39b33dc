"""What ``report.json`` holds of excluded ground, tenure, and of the ground to walk for each deposit found."""

from typing import Any, TypedDict

__all__ = ["Land", "Walk"]


class Land(TypedDict, total=False):
    """Excluded ground and tenure; ``tenure`` lists ``holder`` and ``km2``, the largest first.

    ``areas_excluded`` are not ranked, ``areas_cut`` are with a smaller part excluded; ``captures_open`` is as
    ``captures`` on the areas that are ranked.
    """

    ground_km2: float
    excluded_km2: float | None
    excluded_share: float | None
    areas: int | None
    areas_excluded: int | None
    areas_cut: int | None
    deposits_excluded: int
    captures_open: list[Any] | None
    tenure: list[dict[str, Any]]


class Walk(TypedDict, total=False):
    """Ground to walk for each held-out deposit found, by ``rank``; None where nothing is found.

    ``low`` and ``high`` are its band, ``high`` None too where it has no end. ``metrics.walk`` has the numbers
    at a few shares of the areas and the break-even rank.
    """

    rank: list[int]
    ground_km2: list[float]
    found: list[float]
    km2_per_deposit: list[float | None]
    low: list[float | None]
    high: list[float | None]
