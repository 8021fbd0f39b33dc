"""Dense maps: the score of the window around every s-th pixel, not of the areas only.

The exact way scores every window on its own. Windows overlap, so the shared way reads a rectangle of the map
once and takes the score of every window in it from one pass of the network. For a network with
``model.halo`` both give the same scores by construction (`gossan.models.context`); for any other network the
shared way is near, and `deviation` measures how near on windows drawn at random.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from gossan._around import gather_region
from gossan.errors import UsageError
from gossan.grid import tiles
from gossan.recipe import Recipe, WindowSet

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from gossan.models.base import Prediction, Scorer
    from gossan.models.network import NetworkScorer

__all__ = ["DenseSettings", "Deviation", "Scan", "choose_method", "deviation"]

#: Pixels of a tile's side; the halo comes on top.
_TILE = 512
#: Windows that the deviation is measured on.
_SAMPLE = 256


@dataclass(frozen=True)
class DenseSettings:
    """``[dense]``: the score at every s-th pixel, in ``dense.tif``.

    Attributes
    ----------
    stride
        Pixels between the centres of scored windows, down and across, 1 or more; None = no dense map.
    method
        ``exact`` scores window by window; ``shared`` takes overlapping windows from one pass of the network,
        which is the same for ``model.halo = true`` and near for other networks; ``auto`` shares where it is
        the same. How far the two are apart is measured and stands in the report.
    """

    stride: int | None = None
    method: Literal["auto", "exact", "shared"] = "auto"


def choose_method(scorer: "Scorer", method: str) -> Literal["exact", "shared"]:
    """Return the way that a setting comes to for a model.

    Raises
    ------
    UsageError
        For ``shared`` and a model that is no network.
    """
    from gossan.models.shared import shares

    if method == "exact":
        return "exact"
    can = shares(scorer)
    if method == "shared" and can is False:
        raise UsageError(
            "dense.method = 'shared' given for a model that is no network; its windows have nothing to "
            "share: set dense.method = 'exact'"
        )
    return "shared" if can or method == "shared" else "exact"


@dataclass(frozen=True)
class Scan:
    """The windows of one size whose north-west pixels lie on every ``stride``-th row and column.

    Place (i, j) of a dense map is the window from row ``i stride`` and column ``j stride``; on the ground it
    is where that window's centre is, as `gossan.grid.dense_grid` has it.

    Attributes
    ----------
    size, stride
        Pixels.
    min_valid
        A window with a smaller share of valid pixels has no score, in [0, 1].
    method
        ``exact`` or ``shared``.
    """

    stack: "xr.Dataset"
    recipe: Recipe
    scorer: "Scorer"
    size: int
    stride: int
    min_valid: float
    method: Literal["exact", "shared"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the dense map."""
        rows, cols = ((side - self.size) // self.stride + 1 for side in self.stack["layers"].shape[1:])
        return max(rows, 0), max(cols, 0)

    def block(self, rows: slice, cols: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score a block of the dense map, tile by tile.

        Returns
        -------
        Score in [0, 1] and its standard deviation over the members of an ensemble (NaN for a single one),
        float32 (rows, cols), NaN where a window has too little valid ground.
        """
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        score, spread = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
        for down, across in tiles(shape, max(1, _TILE // self.stride)):
            place = (
                slice(rows.start + down.start, rows.start + down.stop),
                slice(cols.start + across.start, cols.start + across.stop),
            )
            enough = self.valid_share(*place) >= self.min_valid
            if not enough.any():
                continue
            answer = self._shared(*place, enough) if self.method == "shared" else self._exact(*place, enough)
            score[down, across][enough] = answer.score
            if len(answer.members) > 1:
                spread[down, across][enough] = answer.members.std(axis=0, ddof=1)
        return score, spread

    def valid_share(self, rows: slice, cols: slice) -> NDArray[np.float64]:
        """Return the share of valid pixels of each window of a block, (rows, cols)."""
        valid = self.stack["valid"].data[self._pixels(rows, 0), self._pixels(cols, 0)]
        total = np.pad(valid.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        north, west = (np.arange(part.stop - part.start) * self.stride for part in (rows, cols))
        south, east = north + self.size, west + self.size
        inside = (
            total[np.ix_(south, east)]
            - total[np.ix_(north, east)]
            - total[np.ix_(south, west)]
            + total[np.ix_(north, west)]
        )
        return np.asarray(inside / self.size**2)

    def one_by_one(self, row: NDArray[np.intp], col: NDArray[np.intp]) -> "Prediction":
        """Score windows at places of the dense map, each read on its own."""
        return self.scorer.predict(WindowSet(self.stack, self._table(row, col), self.recipe))

    def _table(self, row: NDArray[np.intp], col: NDArray[np.intp]) -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame({"row": row * self.stride, "col": col * self.stride, "size": self.size})

    def _exact(self, rows: slice, cols: slice, enough: NDArray[np.bool_]) -> "Prediction":
        row, col = np.nonzero(enough)
        return self.one_by_one(row + rows.start, col + cols.start)

    def _shared(self, rows: slice, cols: slice, enough: NDArray[np.bool_]) -> "Prediction":
        from gossan.models.base import Prediction
        from gossan.models.shared import scorer_context, shared_scores

        network = cast("NetworkScorer", self.scorer)
        halo = scorer_context(network).halo
        region = gather_region(self.stack, self._pixels(rows, halo), self._pixels(cols, halo))
        x, _ = self.recipe.apply(region)
        answer, _ = shared_scores(network, x, self.stride)
        kept = enough.ravel()
        return Prediction(
            answer.score[kept], answer.vote[kept], answer.branches[:, kept], answer.members[:, kept]
        )

    def _pixels(self, places: slice, halo: int) -> slice:
        """Return the pixels under the windows of some places of the dense map, with a halo around them."""
        return slice(places.start * self.stride - halo, (places.stop - 1) * self.stride + self.size + halo)


@dataclass(frozen=True)
class Deviation:
    """How far the shared scores are from those of the windows one by one.

    Attributes
    ----------
    windows
        How many were compared, drawn at random.
    largest, mean
        Greatest and mean absolute difference of the score.
    rank_correlation
        Spearman's, in [-1, 1]; None where either side is constant.
    top_overlap
        Share of the best tenth by one way that is in the best tenth by the other, in [0, 1].
    """

    windows: int
    largest: float
    mean: float
    rank_correlation: float | None
    top_overlap: float

    @classmethod
    def of(cls, found: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]]) -> "Deviation":
        """Compare scores (n,) with those of the same windows one by one."""
        from scipy.stats import spearmanr

        gap = np.abs(np.asarray(found, dtype=np.float64) - truth)
        flat = np.ptp(found) == 0 or np.ptp(truth) == 0
        top = max(1, round(len(gap) / 10))
        best = [set(np.argsort(-np.asarray(side), kind="stable")[:top].tolist()) for side in (found, truth)]
        return cls(
            windows=len(gap),
            largest=float(gap.max()),
            mean=float(gap.mean()),
            rank_correlation=None if flat else float(spearmanr(found, truth).statistic),
            top_overlap=len(best[0] & best[1]) / top,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        return asdict(self)


def deviation(
    scan: Scan, score: NDArray[np.float32], *, seed: Sequence[int], windows: int = _SAMPLE
) -> Deviation | None:
    """Score windows drawn at random one by one, and compare them with a dense map.

    Parameters
    ----------
    score
        The whole dense map, (row, col).
    windows
        How many to draw, at least 1; all where there are fewer.

    Returns
    -------
    None where no window was scored.
    """
    row, col = np.nonzero(np.isfinite(score))
    if not len(row):
        return None
    rng = np.random.default_rng(np.random.SeedSequence(list(seed)))
    drawn = np.sort(rng.permutation(len(row))[:windows])
    row, col = row[drawn], col[drawn]
    truth = scan.one_by_one(row, col).score
    return Deviation.of(score[row, col], truth)
