"""Say whether the built-in survey looks like a survey, and how hard it is, before any network is trained.

    python scripts/twin_selftest.py                    # self-test over 5 seeds, difficulty over 10
    python scripts/twin_selftest.py --seeds 30 --null  # what chance gives: AUC .5, hidden 10 %
    python scripts/twin_selftest.py --set decoys=0     # what a knob does

Difficulty: 144 areas of 3.25 km on pixels of 203.125 m; mean, standard deviation and maximum of the
interpolated log10 elements and of the distance to faults, and the share of each unit; `spatial_folds` as they
come (five folds of whole camps and blocks of 4 areas, a dead zone of one area). Areas are labelled by known
deposits only; the hidden ones are looked for afterwards, on ground without a known deposit.
"""

import argparse
import dataclasses
import warnings
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DesignWarning
from gossan.evidence import class_map, fault_distance
from gossan.grid import window_region
from gossan.interpolate import idw
from gossan.metrics import summarise
from gossan.split import spatial_folds, window_camps
from gossan.survey import Survey, find_camps
from gossan.synthetic import TWIN, Twin, synthetic_survey
from gossan.synthetic.selftest import self_test
from gossan.windows import cut_windows, deposits_in

if TYPE_CHECKING:
    import pandas as pd

SIZE, RESOLUTION, WINDOW = 192, 203.125, 16
REPEATS = 3


def main() -> None:
    """Print the tables."""
    arguments = _parse()
    twin = dataclasses.replace(TWIN, **arguments.knobs)
    _print_selftest(arguments, twin)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    rows = [difficulty(seed, twin=twin, null=arguments.null) for seed in seeds]
    if not rows:
        return
    print(f"\n{'difficulty':24s}" + "".join(f"{seed:7d}" for seed in seeds) + "   mean     sd")
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        shown = "".join(f"{value:7.2f}" for value in values)
        print(f"{name:24s}{shown}{np.nanmean(values):7.3f}{np.nanstd(values, ddof=1):7.3f}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="surveys for the difficulty")
    parser.add_argument("--tested", type=int, default=5, help="surveys for the self-test")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--null", action="store_true", help="camps anywhere")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="a number of `Twin`")
    arguments = parser.parse_args()
    kinds = get_type_hints(Twin)
    pairs = (pair.split("=", 1) for pair in arguments.set)
    arguments.knobs = {name: kinds[name](value) for name, value in pairs}
    return arguments


def _print_selftest(arguments: argparse.Namespace, twin: Twin) -> None:
    seeds = range(arguments.first, arguments.first + arguments.tested)
    tables = [self_test(seed, twin=twin, null=arguments.null) for seed in seeds]
    if not tables:
        return
    print(f"{'self-test':34s}" + "".join(f"{seed:8d}" for seed in seeds) + "    mean  wanted")
    for name, wanted in tables[0].wanted.items():
        values = [table.value[name] for table in tables]
        shown = "".join(f"{value:8.2f}" for value in values)
        print(f"{name:34s}{shown}{np.mean(values):8.2f}  {wanted[0]:g} to {wanted[1]:g}")


def features(survey: Survey) -> NDArray[np.float64]:
    """Summaries of every area, (area, feature)."""
    grid, samples = survey.grid, survey.samples
    geology: Any = survey.geology
    layers = idw(samples.coordinates, np.log10(samples.values.to_numpy()), grid)
    layers = np.concatenate([layers, fault_distance(survey.faults, grid)[None]]).astype(np.float64)
    units = sorted(set(geology["unit"]))
    classes = class_map(survey.geology, np.array([units.index(unit) for unit in geology["unit"]]), grid)
    shares = classes == np.arange(len(units))[:, None, None]
    number, unit = _blocks(layers), _blocks(shares)
    return np.concatenate([number.mean(2), number.std(2), number.max(2), unit.mean(2)], axis=1)


def _blocks(layers: NDArray[Any]) -> NDArray[Any]:
    """(layer, row, col) as (area, layer, pixel)."""
    n = SIZE // WINDOW
    cut = layers.reshape(len(layers), n, WINDOW, n, WINDOW).transpose(1, 3, 0, 2, 4)
    return cut.reshape(n * n, len(layers), WINDOW * WINDOW)


def _models(seed: int) -> dict[str, Any]:
    """Make the rivals, as `gossan.models.classical` sets them."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    forest = RandomForestClassifier(300, min_samples_leaf=2, class_weight="balanced", random_state=seed)
    return {"LR": make_pipeline(StandardScaler(), linear), "RF": forest}


def difficulty(seed: int, *, twin: Twin = TWIN, null: bool = False, signal: float = 1.0) -> dict[str, float]:
    """Strict AUC of the rivals, and the share of hidden deposits in the best tenth of the open areas."""
    survey = synthetic_survey(seed, size=SIZE, resolution=RESOLUTION, null=null, signal=signal, twin=twin)
    windows, x = cut_windows(survey.grid, WINDOW), features(survey)
    known = deposits_in(windows, survey.grid, survey.deposits.coordinates)
    truth: Any = survey.truth
    unknown = truth.loc[truth["hidden"], ["easting", "northing"]].to_numpy()
    hidden = deposits_in(windows, survey.grid, unknown)
    camp = window_camps(
        windows,
        find_camps(survey.deposits.coordinates, WINDOW * RESOLUTION),
        survey.deposits.coordinates,
        survey.grid,
    )
    row: dict[str, float] = {}
    for name, model in _models(seed).items():
        table = _cross_fit(model, x, windows, known, camp, seed)
        row[f"AUC {name}"] = summarise(table)["auc"]["mean"]
        score = table.groupby("number")["score"].mean().to_numpy()
        row[f"hidden in tenth, {name}"] = found_share(score, known, hidden)
    row["hidden in tenth, nearest"] = found_share(-_nearest_known(survey, windows), known, hidden)
    return row | {
        "ore areas": float((known > 0).sum()),
        "camps": float(len(np.unique(camp[known > 0]))),
        "known deposits": float(known.sum()),
        "hidden on open ground": float(hidden[known == 0].sum()),
    }


def _cross_fit(
    model: Any,
    x: NDArray[np.float64],
    windows: "pd.DataFrame",
    known: NDArray[np.int64],
    camp: NDArray[np.int64],
    seed: int,
) -> "pd.DataFrame":
    """Predictions of models that saw neither the area's camp nor its neighbours."""
    import pandas as pd

    parts = []
    for repeat in range(REPEATS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DesignWarning)
            folds = spatial_folds(windows, known > 0, camp=camp, seed=(seed, repeat))
        for fold, (train, test) in enumerate(folds):
            chance = model.fit(x[train], known[train] > 0).predict_proba(x[test])[:, 1]
            part = {"number": windows["number"].to_numpy()[test], "score": chance, "probability": chance}
            part |= {"vote": chance >= 0.5, "is_ore": known[test] > 0, "deposits": known[test]}
            parts.append(pd.DataFrame(part | {"camp": camp[test], "repeat": repeat, "fold": fold}))
    return pd.concat(parts)


def _nearest_known(survey: Survey, windows: "pd.DataFrame") -> NDArray[np.float64]:
    """Distance from the middle of each area to the nearest known deposit, m."""
    from scipy.spatial import cKDTree

    west, south, east, north = window_region(survey.grid, windows["row"], windows["col"], WINDOW)
    middle = np.column_stack([(west + east) / 2, (south + north) / 2])
    return np.asarray(cKDTree(survey.deposits.coordinates).query(middle)[0])


def found_share(score: NDArray[np.float64], known: NDArray[np.int64], hidden: NDArray[np.int64]) -> float:
    """Share of the hidden deposits on open areas that lies in the best tenth of those areas; chance .1."""
    free = np.flatnonzero(known == 0)
    best = free[np.argsort(-score[free], kind="stable")[: round(0.1 * free.size)]]
    return float(hidden[best].sum() / max(hidden[free].sum(), 1)) if hidden[free].any() else float("nan")


if __name__ == "__main__":
    main()
