"""What the report says of calibration, tuning, influence, reasons and applicability, as JSON-able values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import metrics
from gossan.explain import combine_influence, speak
from gossan.pipeline.plan import fit_names, parts, rivals_of
from gossan.pipeline.results import final_calibrator
from gossan.windows import AreaMap

if TYPE_CHECKING:
    import pandas as pd

    from gossan.pipeline.results import Findings

__all__ = [
    "applicability",
    "attention",
    "barren",
    "calibration",
    "influence",
    "inside_bands",
    "interpolation",
    "tuning",
    "with_reasons",
]

_ATTENTION_NOTE = (
    "Attention weights say how the network scales its maps. They are diagnostics, not causes: layers behind "
    "can undo them."
)
_INFLUENCE_NOTE = (
    "Loss of AUC on held-out deposits when the maps of a group are swapped between windows. It says what "
    "these models use; where two groups tell the same, each can look idle."
)


def _explained(found: "Findings") -> list[Mapping[str, Any]]:
    """Collect what the fold models said of themselves."""
    if not found.project.explain.enabled:
        return []
    return [found.results[f"explain {part}"] for part in parts(found.design)]


def with_reasons(found: "Findings", areas: "pd.DataFrame") -> "pd.DataFrame":
    """Add what speaks for and against each area, and how unlike the training ground it is.

    Returns
    -------
    The areas with ``applicability`` (dissimilarity index), ``inside`` (bool), ``ore_index``, ``far`` (share
    of its pixels far from any sample), ``for_1, for_2, for_3, against_1`` (names of groups, empty where none
    does) and, for MFAF, ``agreement`` (share of the branches that vote with the majority).
    """
    known = found.results["applicability"]
    table = areas.set_index("number")
    number = np.asarray(known["number"])
    for column, name in (("applicability", "index"), ("ore_index", "ore_index"), ("far", "far")):
        table[column] = dict(zip(number.tolist(), np.asarray(known[name]).tolist(), strict=True))
    table["inside"] = table["applicability"] <= known["yardstick"]["threshold"]
    for name, values in _reasons(found).items():
        table[name] = values
    reset: pd.DataFrame = table.reset_index()
    return reset


def _reasons(found: "Findings") -> dict[str, dict[int, Any]]:
    """Say by area which groups speak for and against, by the mean effect over repeats."""
    explained = _explained(found)
    if not explained:
        return {}
    names = [each["name"] for each in found.results["groups"]["groups"]]
    number = np.concatenate([np.asarray(each["number"]) for each in explained])
    effects = np.concatenate([np.asarray(each["reasons"]) for each in explained])
    listed, place = np.unique(number, return_inverse=True)
    sums = np.stack([np.bincount(place, weights=column) for column in effects.T], axis=1)
    mean = sums / np.bincount(place)[:, None]
    columns: dict[str, dict[int, Any]] = {key: {} for key in ("for_1", "for_2", "for_3", "against_1")}
    for area, row in zip(listed.tolist(), mean, strict=True):
        speaking, against = speak(row, names)
        for k in range(3):
            columns[f"for_{k + 1}"][area] = speaking[k] if k < len(speaking) else ""
        columns["against_1"][area] = against or ""
    if "agreement" in explained[0]:
        agreed = np.concatenate([np.asarray(each["agreement"]) for each in explained])
        shares = np.bincount(place, weights=agreed) / np.bincount(place)
        columns["agreement"] = dict(zip(listed.tolist(), shares.tolist(), strict=True))
    return columns


def inside_bands(found: "Findings", areas: "pd.DataFrame") -> dict[str, dict[str, AreaMap]]:
    """Give the maps of what the fold models look at, by file: first repeat, each area by its own fold."""
    explained = [
        found.results[f"explain {part}"]
        for part in (parts(found.design) if found.project.explain.enabled else ())
        if part.startswith("strict 0/")
    ]
    if not explained:
        return {}
    table = areas.set_index("number").loc[np.concatenate([np.asarray(each["number"]) for each in explained])]
    table = table.reset_index()
    shape = tuple(int(side) for side in found.survey.grid.shape)

    def painted(values: list[NDArray[Any]]) -> AreaMap:
        return AreaMap(values, table, (shape[0], shape[1]))

    files: dict[str, dict[str, AreaMap]] = {}
    if "spatial" in explained[0]:
        files["attention"] = {
            "spatial attention": painted([np.asarray(each["spatial"]) for each in explained]),
            "branch agreement": painted([np.asarray(each["agreement"]) for each in explained]),
        }
    if "gradients" in explained[0]:
        pixels = [np.asarray(each["gradients"]) for each in explained]
        names = [each["name"] for each in found.results["groups"]["groups"]]
        files["gradients"] = {name: painted([each[:, k] for each in pixels]) for k, name in enumerate(names)}
    return files


def influence(found: "Findings") -> dict[str, Any] | None:
    """Rank the groups of channels by the held-out skill that is lost without them."""
    explained = _explained(found)
    if not explained:
        return None
    table = combine_influence([each["influence"] for each in explained])
    members = {each["name"]: each["members"] for each in found.results["groups"]["groups"]}
    rows = [
        {
            "rank": rank,
            "group": row["group"],
            "members": members[row["group"]],
            "drop": row["drop"],
            "sd": row["sd_folds"],
            "margin_drop": row["margin_drop"],
            "folds": row["folds"],
        }
        for rank, row in enumerate(table.to_dict("records"), 1)
    ]
    return {"rows": rows, "note": _INFLUENCE_NOTE}


def attention(found: "Findings") -> dict[str, Any] | None:
    """Average the channel attention over folds, by factor and branch."""
    import pandas as pd

    tables = [each["attention"] for each in _explained(found) if "attention" in each]
    if not tables:
        return None
    every = pd.concat(tables, ignore_index=True)
    mean = every.groupby(["factor", "branch"], sort=False)[["mean", "sd"]].mean().reset_index()
    mixed = found.project.model.mix
    note = (
        f"With mix = true no weight belongs to a single factor. {_ATTENTION_NOTE}"
        if mixed
        else _ATTENTION_NOTE
    )
    return {"rows": mean.to_dict("records"), "note": note}


def applicability(found: "Findings", areas: "pd.DataFrame") -> dict[str, Any]:
    """Say how much of the ground is unlike what the models were trained on."""
    yardstick = found.results["applicability"]["yardstick"]
    ground = areas["valid_share"].to_numpy()
    outside = ~areas["inside"].to_numpy(dtype=bool)
    limit = yardstick["ore_threshold"]
    unlike = areas["ore_index"].to_numpy() > (np.inf if limit is None else limit)
    return {
        "threshold": yardstick["threshold"],
        "outside_share": float(ground[outside].sum() / ground.sum()),
        "ore_like": {"threshold": limit, "outside_share": float(ground[unlike].sum() / ground.sum())},
        "far_share": float((areas["far"].fillna(1) * ground).sum() / ground.sum()),
        "weighted": found.project.explain.enabled,
        "note": (
            "Dissimilarity index of Meyer and Pebesma (2021) on window summaries: distance to the nearest "
            "training window of the fold, as a share of the mean distance between training windows."
        ),
    }


def calibration(found: "Findings") -> dict[str, Any]:
    """Describe how scores become probabilities of a known deposit."""
    kept = final_calibrator(found).to_dict()
    note = "Probability of a known deposit: nobody has drilled the barren areas."
    return {name: kept[name] for name in ("kind", "slope", "intercept", "prevalence")} | {"note": note}


def tuning(found: "Findings") -> dict[str, Any]:
    """List which configuration each model chose in how many folds, all with the same number to try."""
    chosen: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts(found.design):
        chosen.setdefault(found.name, []).append(found.results[f"tune {part} {found.name}"])
        for name in rivals_of(found.project)[0]:
            chosen.setdefault(name, []).append(found.results[f"rival {part} {name}"])
    rows = []
    for model, results in chosen.items():
        options = [_said(each["options"]) for each in results]
        for each in dict.fromkeys(options):
            rows.append({"model": model, "options": each, "fold_choices": options.count(each)})
    return {"budget": found.project.validation.tune, "inner": found.project.validation.inner, "rows": rows}


def _said(options: Mapping[str, Any]) -> str:
    shown = {name: value for name, value in options.items() if name != "elements"}
    return ", ".join(f"{name} = {value}" for name, value in shown.items()) or "defaults"


def barren(found: "Findings") -> dict[str, Any]:
    """Say which barren windows were trained on, and how much the draws differ."""
    settings = found.project.barren
    spread = None
    if settings.draws > 1:
        spread = float(np.std([_auc_of_draw(found, draw) for draw in range(settings.draws)], ddof=1))
    return {"method": settings.method, "ratio": settings.ratio, "draws": settings.draws, "spread": spread}


def _auc_of_draw(found: "Findings", draw: int) -> float:
    """Give the AUC of the project's model with one draw of barren windows."""
    import pandas as pd

    names = [fit_names(found.project, part, found.name)[draw] for part in parts(found.design)]
    tables = [found.results[name]["predictions"] for name in names]
    return float(metrics.summarise(pd.concat(tables, ignore_index=True))["auc"]["mean"])


def interpolation(found: "Findings") -> dict[str, Any]:
    """Say how well each element's map predicts a sample that it does not know."""
    rows = found.results["interpolation"]["errors"].to_dict("records")
    note = (
        "Each position is left out in turn and predicted from the others, in the transformed unit; r² is "
        "against the mean. Where samples are far apart the maps are worse than this."
    )
    return {"rows": rows, "note": note}
