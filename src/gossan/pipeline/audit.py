"""The leakage audit: the same model under looser and looser protocols, and what each step adds to its score.

From the strict folds outwards: (d) blocks with a dead zone, (c) blocks without, (b) random windows, (a) the
paper's protocol. Random windows leave more to train on as well; so they are also cut to the strict size, and
the gap is split in two: (b cut) - (d) is leakage, (b) - (b cut) is more data.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan import metrics
from gossan.pipeline.plan import audit_task, audited_models, parts

if TYPE_CHECKING:
    import pandas as pd

    from gossan.pipeline.results import Findings

__all__ = ["leakage"]

#: What each protocol is called, from the loosest.
LABELS = {
    "paper": "(a) the paper's: all windows at random, synthetic ones in the test too",
    "random": "(b) random windows",
    "random-cut": "(b) random windows, cut to the strict training size",
    "blocks": "(c) blocks, camps whole",
    "strict": "(d) blocks, camps whole, dead zone",
}


def leakage(found: "Findings") -> dict[str, Any] | None:
    """Sum up the audit; None where no model is audited.

    Returns
    -------
    ``estimand``; ``random``, the summaries under (b) by model; ``audit`` by model: ``rows`` (protocol, label,
    estimand, auc, train_windows, train_ore), ``leakage`` and ``less_data`` (difference of AUCs and its
    interval by camps) and one ``sentence``.
    """
    models = audited_models(found.project)
    if not models:
        return None
    scored = {name: {split: _scores(found, split, name) for split in LABELS} for name in models}
    return {
        "estimand": "near known: random windows; training windows share pixels with test windows",
        "random": {name: metrics.summarise(tables["random"]) for name, tables in scored.items()},
        "audit": {name: _audit(found, name, tables) for name, tables in scored.items()},
    }


def _scores(found: "Findings", split: str, name: str) -> "pd.DataFrame":
    """Collect the first repeat's scores of a model under a protocol."""
    import pandas as pd

    first = [part for part in parts(found.design, split) if part.startswith(f"{split} 0/")]
    tables = [found.results[audit_task(found.project, part, name)]["predictions"] for part in first]
    scored: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return scored


def _audit(found: "Findings", name: str, tables: "Mapping[str, pd.DataFrame]") -> dict[str, Any]:
    rows = [_row(found, split, table) for split, table in tables.items()]
    leaked = _gap(tables["random-cut"], tables["strict"])
    fewer = _gap(tables["random"], tables["random-cut"])
    return {
        "rows": rows,
        "leakage": leaked,
        "less_data": fewer,
        "sentence": _sentence(name, {row["protocol"]: row["auc"]["mean"] for row in rows}, leaked, fewer),
    }


def _row(found: "Findings", split: str, table: "pd.DataFrame") -> dict[str, Any]:
    described = next(each for each in found.design["splits"] if each["name"] == split and not each["repeat"])
    counts = described["counts"]
    return {
        "protocol": split,
        "label": LABELS[split],
        "estimand": described["estimand"],
        "auc": metrics.summarise(table)["auc"],
        "train_windows": float(counts["train_windows"].mean()),
        "train_ore": float(counts["train_ore"].mean()),
    }


def _gap(loose: "pd.DataFrame", tight: "pd.DataFrame") -> dict[str, Any]:
    """Compare two protocols by the placements of the ore areas that both test, clustered by camp."""
    placed = [_by_area(table) for table in (loose, tight)]
    both = placed[0].merge(placed[1], left_index=True, right_index=True, suffixes=("_loose", "_tight"))
    gain = (both["placed_loose"] - both["placed_tight"]).to_numpy()
    weight, camp = both["deposits_loose"].to_numpy(), both["camp_loose"].to_numpy()
    mean = float(np.average(gain, weights=weight))
    interval = metrics.camp_interval(mean, gain, camp, weight, logit=False)
    return {"mean": mean, "ci95": None if interval is None else list(interval)}


def _by_area(table: "pd.DataFrame") -> "pd.DataFrame":
    held = table.assign(placed=metrics.area_placements(table))
    held = held[held["deposits"] > 0]
    return held.groupby("number")[["placed", "deposits", "camp"]].mean()


def _sentence(
    name: str, auc: Mapping[str, float], leaked: Mapping[str, Any], fewer: Mapping[str, Any]
) -> str:
    """Say in one plain sentence what the looser split adds, and how sure that is."""
    low, high = leaked["ci95"] or (None, None)
    sure = "too few camps to say how sure that is"
    if low is not None and high is not None:
        sure = f"95 % interval {_signed(low)} to {_signed(high)}"
        sure += "" if low > 0 or high < 0 else ", so chance alone could do it"
    return (
        f"{name} scores an AUC of {auc['paper']:.2f} under the paper's protocol, {auc['random']:.2f} on "
        f"random windows and {auc['strict']:.2f} on camps that it never saw: of the step from random windows "
        f"to new camps, {_signed(leaked['mean'])} is leakage ({sure}) and {_signed(fewer['mean'])} comes "
        "from more windows to train on."
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
