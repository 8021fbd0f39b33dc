"""A made run folder for the tests of figures and report: plausible numbers, no pipeline."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter
from shapely import LineString, Point, box

from gossan.grid import make_grid
from gossan.survey import make_stack

CRS = "EPSG:32648"
WEST, SOUTH = 410_000.0, 2_400_000.0
UNITS = ["Triassic sandstone", "Permian volcanics", "Carboniferous limestone", "Devonian shale", "Quaternary"]
ELEMENTS = ["Ag", "Au", "Sn", "Cu", "Ba", "Sb", "Hg", "Mo"]

GROUPS = [
    ("Cu, Au", ["Cu", "Au", "Ag"]),
    ("fault distance", ["fault_distance"]),
    ("Sb, Hg", ["Sb", "Hg"]),
    ("Sn", ["Sn"]),
    ("geology", ["geology"]),
    ("Ba", ["Ba"]),
    ("noise", ["noise"]),
]
THRESHOLD = 0.46


@dataclass(frozen=True)
class Made:
    """The parts of a made run, before they are written."""

    grid: GeoBox
    stack: Any
    score: np.ndarray
    spread: np.ndarray
    layers: dict[str, gpd.GeoDataFrame]
    targets: pd.DataFrame
    applicability: dict[str, np.ndarray]


def make_run(
    pixels: int = 64,
    window: int = 16,
    *,
    seed: int = 0,
    resolution: float = 200.0,
    names: list[str] | None = None,
) -> Made:
    rng = np.random.default_rng(seed)
    side = pixels * resolution
    grid = make_grid((WEST, SOUTH, WEST + side, SOUTH + side), resolution, CRS)
    fields = {e: _field(rng, pixels) for e in ELEMENTS}
    classes, geology = _geology(rng, pixels, resolution, names or UNITS)
    faults = _faults(rng, side)
    distance = _distance(faults, pixels, resolution)
    stack = make_stack(
        grid,
        {**fields, "fault_distance": distance},
        {**dict.fromkeys(ELEMENTS, "log10(ug/g)"), "fault_distance": "m"},
        classes=classes,
        class_names=names or UNITS,
    )
    deposits = _deposits(rng, side, pixels)
    areas = _areas(rng, pixels, window, resolution, deposits)
    open_ground = areas[areas["known_deposits"] == 0].sort_values(
        ["score", "number"], ascending=[False, True]
    )
    ranked = open_ground.head(max(3, round(0.1 * len(areas))))
    targets = gpd.GeoDataFrame(ranked.assign(rank=np.arange(1, len(ranked) + 1)), crs=CRS)
    score = _paint(areas, "score", pixels, window)
    spread = _paint(areas, "spread", pixels, window)
    layers = {"areas": areas, "targets": targets, "deposits": deposits, "faults": faults, "geology": geology}
    bands = _applicability(rng, pixels, window)
    layers["samples"] = _samples(rng, side)
    return Made(grid, stack, score, spread, layers, _table(targets, window), bands)


def _samples(rng, side, count=400):
    """Make samples at random places, with lognormal values and a missing one now and then."""
    places = rng.uniform(0, side, (count, 2)) + np.array([WEST, SOUTH])
    values = {e: np.exp(rng.normal(1, 0.7, count)) for e in ELEMENTS}
    values["Mo"][::9] = np.nan
    return gpd.GeoDataFrame(values, geometry=gpd.points_from_xy(*places.T), crs=CRS)


def _applicability(rng, pixels, window):
    """Make the bands of applicability.tif: blocks of one window, the south-east corner unlike the rest."""
    count = pixels // window
    ramp = np.add.outer(np.arange(count), np.arange(count)) / (2 * count)
    index = 0.15 + 0.6 * ramp**3 + rng.uniform(0, 0.12, (count, count))
    far = (np.arange(count) < count // 5) * np.ones((count, 1)) * 0.8
    bands = {
        "index": index,
        "inside": (index <= THRESHOLD).astype(float),
        "ore_index": 2.1 * index + rng.uniform(0, 0.2, index.shape),
        "far": far,
    }
    whole = {name: np.full((pixels, pixels), np.nan, dtype=np.float32) for name in bands}
    for name, values in bands.items():
        wide = np.kron(values, np.ones((window, window)))
        whole[name][: wide.shape[0], : wide.shape[1]] = wide
    return whole


def _field(rng, pixels):
    rough = gaussian_filter(rng.normal(size=(pixels, pixels)), pixels / 16)
    return (1.5 + 0.3 * rough / rough.std()).astype(np.float32)


def _geology(rng, pixels, resolution, names):
    tilted = np.add.outer(np.arange(pixels), -0.6 * np.arange(pixels)) / pixels
    rough = _field(rng, pixels) + 1.2 * tilted
    classes = np.digitize(rough, np.quantile(rough, np.linspace(0, 1, len(names) + 1)[1:-1] ** 0.6)).astype(
        np.int16
    )
    from rasterio.features import shapes
    from shapely.geometry import shape

    transform = Affine(resolution, 0, WEST, 0, -resolution, SOUTH + pixels * resolution)
    rows = [
        {"unit": names[int(code)], "geometry": shape(part)}
        for part, code in shapes(classes, transform=transform)
    ]
    frame = gpd.GeoDataFrame(rows, crs=CRS)
    frame["geometry"] = shapely.coverage_simplify(frame.geometry.to_numpy(), resolution)
    return classes, frame


def _faults(rng, side):
    lines = []
    for azimuth, length, count in ((45, 0.3, 9), (135, 0.2, 5), (0, 0.25, 3)):
        for _ in range(count):
            angle = np.radians(azimuth + rng.normal(0, 10))
            start = rng.uniform(0, side, 2)
            run = side * length * np.linspace(0, 1, 6)
            bend = rng.normal(0, 0.006 * side, 6)
            xy = start + np.column_stack([run * np.sin(angle) + bend, run * np.cos(angle)])
            lines.append(LineString(xy + np.array([WEST, SOUTH])))
    return gpd.GeoDataFrame({"geometry": lines}, crs=CRS)


def _distance(faults, pixels, resolution):
    from rasterio.features import rasterize
    from scipy.ndimage import distance_transform_edt

    transform = Affine(resolution, 0, WEST, 0, -resolution, SOUTH + pixels * resolution)
    on = rasterize(faults.geometry, (pixels, pixels), transform=transform, fill=0)
    return (distance_transform_edt(on == 0) * resolution).astype(np.float32)


def _deposits(rng, side, pixels):
    camps = rng.uniform(0.06, 0.94, (13 if pixels < 100 else 24, 2)) * side
    rows = []
    for camp, centre in enumerate(camps, start=1):
        for k in range(1 + rng.poisson(1)):
            at = np.clip(centre + rng.normal(0, 0.015 * side, 2), 0, side - 1) + np.array([WEST, SOUTH])
            rows.append({"name": f"D{camp}.{k}", "camp": camp, "geometry": Point(at)})
    return gpd.GeoDataFrame(rows, crs=CRS)


def _areas(rng, pixels, window, resolution, deposits):
    count = pixels // window
    size = window * resolution
    rows = []
    smooth = gaussian_filter(rng.normal(size=(count, count)), 1.0)
    for number in range(1, count * count + 1):
        row, col = divmod(number - 1, count)
        north = SOUTH + pixels * resolution - row * size
        square = box(WEST + col * size, north - size, WEST + (col + 1) * size, north)
        known = int(deposits.within(square).sum())
        score = 1 / (1 + np.exp(-(2 * smooth[row, col] + 0.8 * known + rng.normal(0, 0.4) - 0.5)))
        fold = (row // max(1, count // 4) + 2 * (col // max(1, count // 3))) % 5
        rows.append(
            {
                "number": number,
                "row": row * window,
                "col": col * window,
                "score": score,
                "spread": 0.05 + 0.1 * score * (1 - score) * rng.uniform(0.5, 2),
                "final": min(1.0, score + 0.1 * known),
                "known_deposits": known,
                "valid_share": 1.0,
                "fold": fold,
                "geometry": square,
            }
        )
    return gpd.GeoDataFrame(rows, crs=CRS)


def _paint(areas, column, pixels, window):
    values = np.full((pixels, pixels), np.nan, dtype=np.float32)
    for area in areas.itertuples():
        values[area.row : area.row + window, area.col : area.col + window] = getattr(area, column)
    return values


def _table(targets, window):
    centre = targets.geometry.centroid
    lonlat = centre.to_crs(4326)
    return pd.DataFrame(
        {
            "number": targets["number"],
            "rank": targets["rank"],
            "easting": centre.x,
            "northing": centre.y,
            "longitude": lonlat.x,
            "latitude": lonlat.y,
            "area_km2": targets.area / 1e6,
            "score_mean": targets["score"],
            "score_max": targets["score"],
            "spread": targets["spread"],
            "known_deposits": targets["known_deposits"],
            "nearest_known_m": np.linspace(800, 9000, len(targets)),
            "probability": 0.3 * targets["score"] ** 2,
            "applicability": np.linspace(0.2, 0.5, len(targets)),
            "inside": np.linspace(0.2, 0.5, len(targets)) <= THRESHOLD,
            "for_1": GROUPS[0][0],
            "for_2": GROUPS[1][0],
            "for_3": GROUPS[2][0],
            "against_1": GROUPS[5][0],
            "agreement": np.linspace(1.0, 0.67, len(targets)),
            "row": targets["row"],
            "col": targets["col"],
            "size": window,
            "area_ha": targets.area / 1e4,
            "samples_inside": 21,
            "background_samples": 240,
            "background_m": 6400.0,
            "element_1": "Au",
            "ratio_1": 3.24,
            "percentile_1": 96.4,
            "element_2": "Sb",
            "ratio_2": 1.62,
            "percentile_2": 81.0,
            "element_3": "",
            "ratio_3": np.nan,
            "percentile_3": np.nan,
            "association": "Au-Sb",
            "rock_unit": "Permian",
            "rock_share": 0.62,
            "fault_m": 840.0,
            "fault_trend": 44.6,
        }
    ).reset_index(drop=True)


def _sites(targets):
    """Make one site a target, at its centre."""
    sites = targets[["number", "easting", "northing", "longitude", "latitude"]].assign(site=1, gap_m=410.0)
    return json.loads(sites.assign(order=np.arange(1, len(sites) + 1), worth=0.1).to_json(orient="records"))


# ---- the folder


def make_report(made: Made, *, title: str = "Jinshan twin", **changes: Any) -> dict[str, Any]:
    """Return a full ``report.json``; keyword arguments replace top-level keys."""
    grid, areas, deposits = made.grid, made.layers["areas"], made.layers["deposits"]
    camps = int(deposits["camp"].nunique())
    metrics = {
        "format": 1,
        "protocol": "strict",
        "model": "mfaf-resnet18",
        "camps": camps,
        "summary": _summary(0.742, [0.612, 0.853]),
        "folds": [],
        "rivals": {
            "random-forest": _summary(0.713, [0.6, 0.81]),
            "logistic-regression": _summary(0.77, [0.66, 0.86]),
        },
        "paired": {
            "random-forest": {"difference": 0.029, "ci95": [-0.04, 0.098], "smallest_detectable": 0.09},
            "logistic-regression": {"difference": -0.028, "ci95": [-0.1, 0.05], "smallest_detectable": 0.1},
        },
        "leakage": {
            "estimand": "near known: random windows",
            "random": {
                "mfaf-resnet18": _summary(0.91, [0.85, 0.96]),
                "random-forest": _summary(0.93, [0.87, 0.97]),
            },
        },
    }
    report = {
        "format": 1,
        "title": title,
        "version": {"gossan": "0.1.0", "python": "3.11.2", "numpy": "2.4.6", "torch": "2.13.0"},
        "project": _settings(title),
        "crs": CRS,
        "grid": {
            "rows": grid.shape[0],
            "cols": grid.shape[1],
            "resolution": grid.resolution.x,
            "region": [0, 0, 1, 1],
        },
        "data": {
            "samples": {
                "rows_read": 7512,
                "kept": 7401,
                "dropped": {"no_coordinates": 12, "outside": 99},
                "coincident": 214,
            },
            "deposits": {"rows_read": len(deposits) + 2, "kept": len(deposits), "dropped": {"outside": 2}},
            "geology": {"polygons": 118, "units": 5, "repaired": 2},
            "faults": {"lines": 17},
        },
        "screening": {"protocol": "strict", "rows": _screened(), "note": None},
        "windows": {
            "size_px": 16,
            "size_m": 3200.0,
            "areas": len(areas),
            "ore_areas": int((areas["known_deposits"] > 0).sum()),
            "training_windows": 428,
            "valid_pixels": 36864,
            "uncovered_pixels": 1200,
        },
        "validation": {
            "protocol": "strict",
            "folds": 5,
            "repeats": 3,
            "block_m": 9600.0,
            "dead_zone_m": 3200.0,
            "camps": camps,
            "deposits_inside": len(deposits),
            "train_share": 0.62,
            "ore_share": 0.17,
            **_reach(),
        },
        "metrics": metrics,
        "curves": {
            name: _curves(power, main=name == "mfaf-resnet18")
            for name, power in (
                ("mfaf-resnet18", 0.4),
                ("random-forest", 0.46),
                ("logistic-regression", 0.36),
            )
        },
        **_trusted(),
        "confusion": {
            "mfaf-resnet18": {"hit": 9.5, "miss": 3.5, "false": 14.0, "rest": 37.0},
            "random-forest": {"hit": 8.0, "miss": 5.0, "false": 11.0, "rest": 40.0},
            "logistic-regression": {"hit": 10.0, "miss": 3.0, "false": 17.0, "rest": 34.0},
        },
        "coverage": {
            "budget": 0.1,
            "known": len(deposits),
            "predicted": round(0.4 * len(deposits)),
            "fitted": len(deposits) - 1,
        },
        "hidden": {
            "count": 24,
            "found_share": 0.375,
            "chance": 0.1,
            "distance_share": 0.21,
            "budget": 0.1,
            "rivals": {"random-forest": 0.33},
        },
        "targets": json.loads(made.targets.to_json(orient="records")),
        "next_samples": _sites(made.targets),
        "sample_units": dict.fromkeys(ELEMENTS, "ppm"),
        "channels": [
            {"name": str(n), "unit": str(u), "kept": n != "Mo"}
            for n, u in zip(made.stack.channel.values, made.stack.units.values, strict=True)
        ],
        "balance": {
            "with": {"mean": 0.742, "ci95": [0.612, 0.853]},
            "without": {"mean": 0.735, "ci95": [0.6, 0.85]},
        },
        "warnings": ["12 samples have no coordinates and were dropped", "geology: 2 polygons were repaired"],
        "command": "gossan run project.toml --set training.epochs=30 --out runs/jinshan",
    }
    return report | changes


def _summary(auc, ci):
    others = {
        "auc_pooled": 0.72,
        "average_precision": 0.41,
        "recall_ore": 0.55,
        "f1_ore": 0.44,
        "f1_macro": 0.65,
        "f1_weighted": 0.78,
        "accuracy": 0.76,
        "brier": 0.14,
        "brier_skill": 0.0823,
        "calibration_slope": 0.8912,
        "calibration_intercept": -0.127,
        "expected_observed": 1.0731,
        "ece": 0.0312,
        "mean_log_rank": -1.612,
        "capture_5": 0.23,
        "capture_10": 0.38,
        "capture_20": 0.56,
        "nd": 2.317,
        "ln_nd": 0.8403,
        "lift_10": 3.8,
    }
    bands = {"brier_skill": [-0.02, 0.17], "nd": [1.4, 3.9]}
    return (
        {"auc": {"mean": auc, "sd_folds": 0.093, "sd_repeats": 0.021, "ci95": ci}}
        | {
            name: {"mean": value, "sd_folds": 0.05, "sd_repeats": 0.01, "ci95": bands.get(name)}
            for name, value in others.items()
        }
        | {"counts": {"camps": 24, "verdict": ""}}
    )


def _reach():
    """Designs and distances."""
    designs = [
        {
            "name": "strict",
            "estimand": "new camp",
            "folds": 5,
            "block_m": 9600.0,
            "dead_zone_m": 3200.0,
            "note": "blocks with whole camps and a dead zone",
        },
        {
            "name": "random",
            "estimand": "near known",
            "folds": 5,
            "block_m": None,
            "dead_zone_m": None,
            "note": "windows may touch across the split",
        },
    ]
    share = np.linspace(0, 1, 120)
    samples = {"map": (9000 * share**1.3).tolist(), "test": (3200 + 7000 * share**1.1).tolist()}
    quantiles = {
        key: {f"q{q:02d}": float(np.quantile(samples[key], q / 100)) for q in (5, 25, 50, 75, 95)}
        for key in samples
    }
    distances = {
        "map_to_deposit": quantiles["map"],
        "test_to_training": quantiles["test"],
        "samples": samples,
        "wasserstein_m": 2840.0,
        "sentence": "The test asks more than the map: its areas lie 2.8 km farther from known ore.",
    }
    return {"designs": designs, "distances": distances}


def _audited(shift):
    protocols = (
        ("paper", "Paper’s protocol", "near known, pixels shared", 0.95, 512, 140),
        ("random", "Random windows", "near known", 0.91, 410, 61),
        ("random-cut", "Random, cut to size", "near known, less data", 0.88, 265, 38),
        ("blocks", "Blocks", "new camp, edges touch", 0.79, 300, 42),
        ("strict", "Blocks with a dead zone", "new camp", 0.742, 265, 38),
    )
    rows = [
        {
            "protocol": name,
            "label": label,
            "estimand": estimand,
            "auc": {"mean": auc + shift, "ci95": [auc + shift - 0.09, min(1.0, auc + shift + 0.07)]},
            "train_windows": windows,
            "train_ore": ore,
        }
        for name, label, estimand, auc, windows, ore in protocols
    ]
    sentence = (
        "Of the 0.17 that the random split adds, 0.14 is leakage and 0.03 is having more to learn from."
    )
    return {
        "rows": rows,
        "leakage": 0.138,
        "less_data": 0.03,
        "sentence": sentence if not shift else None,
    }


def _trusted():
    """What says how far to trust the map, and why it is as it is."""
    share = np.linspace(0, 1, 41)
    thresholds = [None, *np.linspace(0.98, 0.02, 40).tolist()]
    captures = {
        name: [
            {"share": s, "captured": c + d, "low": c + d - 0.12, "high": c + d + 0.15}
            for s, c in ((0.05, 0.23), (0.1, 0.38), (0.2, 0.56))
        ]
        for name, d in (("mfaf-resnet18", 0.0), ("random-forest", -0.05), ("logistic-regression", 0.02))
    }
    return {
        "captures": captures,
        "prediction_area": {
            "x": share.tolist(),
            "y": (share**0.42).tolist(),
            "threshold": thresholds,
            "at": 0.6562,
            "oa": 0.3536,
            "pr": 0.6464,
            "nd": 1.828,
            "ln_nd": 0.603,
        },
        "thresholds": [
            {
                "share": s,
                "threshold": 0.95 - 2 * s,
                "deposits": round(26 * s**0.42),
                "deposits_share": s**0.42,
                "ore_areas": round(18 * s**0.45),
                "precision": 0.3 - 0.6 * s,
                "lift": s**0.42 / s,
                "expected_ore": 18.4 * s**0.5,
            }
            for s in (0.02, 0.05, 0.1, 0.2)
        ],
        "audit": {"mfaf-resnet18": _audited(0.0), "random-forest": _audited(-0.029)},
        "influence": {
            "rows": [
                {"group": group, "members": members, "drop": 0.11 / rank - 0.012, "sd": 0.018, "rank": rank}
                for rank, (group, members) in enumerate(GROUPS, start=1)
            ],
            "note": "Five shuffles a group; groups are elements whose correlation exceeds 0.7.",
        },
        "attention": {
            "rows": [
                {
                    "factor": factor,
                    "branch": branch,
                    "mean": 0.3 + 0.05 * ((3 * i + 5 * j) % 9),
                    "sd": 0.04,
                }
                for i, factor in enumerate([*ELEMENTS, "fault_distance"])
                for j, branch in enumerate(("16 px", "8 px", "4 px"))
            ],
            "note": "Weights belong to factors only because the branches are depthwise.",
        },
        "applicability": {
            "threshold": THRESHOLD,
            "outside_share": 0.117,
            "ore_like": {"threshold": 1.25, "outside_share": 0.08},
            "note": None,
        },
        "interpolation": {
            "rows": [
                {
                    "element": e,
                    "n": 7401 - 3 * i,
                    "rmse": 0.21 + 0.02 * i,
                    "mae": 0.16,
                    "bias": -0.0021,
                    "r2": 0.6 - 0.05 * i,
                }
                for i, e in enumerate(ELEMENTS)
            ],
            "note": "Of samples in the same place only the mean is left out.",
        },
        "dense": {
            "stride_px": 8,
            "stride_m": 200.0,
            "rows": 180,
            "cols": 180,
            "windows": 32400,
            "method": "shared",
            "deviation": {
                "windows": 256,
                "largest": 0.0213,
                "mean": 0.004,
                "rank_correlation": 0.9971,
                "top_overlap": 0.96,
            },
        },
        "barren": {"method": "random", "ratio": 4.0, "draws": 5, "chosen": 152, "spread": 0.0124},
        "calibration": {"kind": "platt", "slope": 0.913, "intercept": -0.208, "note": None},
        "tuning": {
            "budget": 12,
            "rows": [
                {
                    "model": "random-forest",
                    "options": 12,
                    "fold_choices": [{"min_leaf": 3}] * 4 + [{"min_leaf": 9}],
                },
                {
                    "model": "logistic-regression",
                    "options": {"C": [0.01, 0.1, 1.0]},
                    "fold_choices": ["C 0.1"] * 5,
                },
            ],
        },
        "looks": 2,
    }


def _settings(title):
    return {
        "project": {"name": title, "crs": CRS, "resolution": 200.0, "seed": 0},
        "samples": {"path": "samples.csv", "elements": ELEMENTS, "transform": "log10"},
        "rasters": [{"path": "magnetics.tif", "kind": "number"}],
        "windows": {"size": 16, "strides": [16, 8]},
        "balance": {"method": "smote", "factor": 4.0},
        "targets": {"budget": 0.1},
    }


def _screened():
    aucs = (0.71, 0.69, 0.66, 0.64, 0.63, 0.6, 0.59, 0.57, 0.55, 0.53, 0.49, 0.45)
    ps = (0.0004, 0.001, 0.002, 0.01, 0.012, 0.03, 0.04, 0.06, 0.2, 0.3, 0.6, 0.8)
    return [
        {
            "element": e,
            "auc": a,
            "z_auc": (a - 0.5) / 0.036,
            "p": p,
            "direction": "enriched" if a > 0.5 else "depleted",
            "keep": p < 0.05,
            "folds": 15,
            "folds_kept": 5 if p < 0.02 else int(p < 0.1) * 3,
        }
        for e, a, p in zip([*ELEMENTS, "Pb", "Zn", "As", "W"], aucs, ps, strict=True)
    ]


def _curves(power, *, main=False):
    x = np.linspace(0, 1, 51)
    y = x**power
    rate = {"x": x.tolist(), "y": y.tolist(), **_band(y)}
    precision = 0.16 + (0.62 - 0.3 * power) * (1 - x) ** 2
    recall = {"x": x.tolist(), "y": precision.tolist(), "low": None, "high": None, "prevalence": 0.16}
    curves = {
        "roc": {"x": x.tolist(), "y": (x ** (power * 0.9)).tolist(), "low": None, "high": None},
        "prediction_rate": rate,
        "precision_recall": recall,
    }
    if main:
        curves["roc"] |= _band(x ** (power * 0.9))
        curves["success_rate"] = {"x": x.tolist(), "y": (x**0.12).tolist()}
        curves["calibration"] = {
            "probability": [0.02, 0.05, 0.09, 0.16, 0.31, 0.48],
            "share_ore": [0.01, 0.06, None, 0.19, 0.27, 0.4],
            "number": [210, 205, 0, 208, 120, 31],
            "low": [0.0, 0.02, None, 0.1, 0.15, 0.2],
            "high": [0.04, 0.11, None, 0.29, 0.41, 0.62],
        }
    return curves


def _band(y):
    band = np.clip(0.35 * y * (1 - y) + 0.02, 0, 1)
    return {"low": np.clip(y - band, 0, 1).tolist(), "high": np.clip(y + band, 0, 1).tolist()}


def write_run(folder: Path, made: Made, report: dict[str, Any]) -> Path:
    """Write what `gossan.report.write_report` reads."""
    from gossan.io import write_bands, write_csv, write_json, write_layers, write_prospectivity, write_stack

    folder.mkdir(parents=True, exist_ok=True)
    write_stack(folder / "stack.tif", made.stack)
    write_prospectivity(folder / "prospectivity.tif", made.grid, made.score, made.spread, made.score)
    write_bands(folder / "applicability.tif", made.grid, made.applicability)
    write_layers(folder / "targets.gpkg", made.layers)
    write_csv(folder / "targets.csv", made.targets)
    write_json(folder / "report.json", report)
    return folder
