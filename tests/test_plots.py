"""Figures: what they show is where it belongs, counted right, the same bytes, whatever the names are."""

import io
import os
import re
import subprocess
import sys
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shapely import Point, Polygon, box

from gossan import plots
from gossan.plots.frame import _nice_step
from gossan.plots.ground import polygons, unit_shares
from gossan.plots.labels import DIGIT, LINE, place_labels
from gossan.plots.maps import CLASSES, limits
from gossan.plots.style import OTHER_UNIT, RC, style, unit_colours
from run_folder import CRS, ELEMENTS, SOUTH, WEST, make_run

HARD = ["金山组 group", '<b>H</b> & "Co" $x_1$', "_hidden", "Formation " * 9, "وحدة"] + [
    f"U{i}" for i in range(20)
]

BINS = {
    "probability": [0.02, 0.1, 0.4],
    "share_ore": [0.01, None, 0.3],
    "number": [90, 0, 30],
    "low": [0.0, None, 0.1],
    "high": [0.05, None, 0.5],
}
CALLED = {"hit": 9.5, "miss": 3.5, "false": 14.0, "rest": 37.0}
WALK = {
    "rank": list(range(1, 9)),
    "ground_km2": [10.0 * rank for rank in range(1, 9)],
    "km2_per_deposit": [None, 20.0, 15.0, 13.0, 16.0, 20.0, 23.0, 26.0],
    "low": [None, 10.0, 9.0, 8.0, 10.0, 12.0, 14.0, 17.0],
    "high": [None, None, 40.0, 30.0, 31.0, 33.0, 35.0, 37.0],
}
CROWDED = {
    "probability": [0.02, 0.05, 0.06, 0.062, 0.07, 0.075, 0.1, 0.3, 0.31, 0.33],
    "share_ore": [0.0, 0.0, 0.0, 0.01, 0.0, 0.02, 0.02, 0.3, 0.3, 0.6],
    "number": [14, 15, 14, 14, 1500, 14, 15, 14, 15, 14],
}
MAPS = ("study area", "target", "score", "spread", "folds", "channels", "applicability", "ore_like")


@pytest.fixture(scope="module")
def made():
    return make_run(64, 16)


@pytest.fixture(scope="module")
def ground(made):
    side = 64 * 200.0
    layers = made.layers
    return plots.Ground(
        region=(WEST, SOUTH, WEST + side, SOUTH + side),
        crs=CRS,
        geology=layers["geology"],
        classes=made.stack["classes"].values,
        class_names=tuple(made.stack.attrs["class_names"]),
        faults=layers["faults"],
        deposits=layers["deposits"],
        credit="Open survey, run 1",
    )


def pixels(figure, dpi=100):
    return np.asarray(Image.open(io.BytesIO(plots.save(figure, dpi=dpi))).convert("RGB")).astype(int)


def at(figure, easting, northing, dpi=100):
    """Colour of a map coordinate in the rendered figure, as 0-255."""
    image = pixels(figure, dpi)
    figure.set_dpi(dpi)
    col, row = figure.axes[0].transData.transform((easting, northing))
    return image[image.shape[0] - 1 - int(row), int(col)]


def words(figure):
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        for legend in axes.artists:
            if hasattr(legend, "get_texts"):
                texts += [text.get_text().replace("\n", " ") for text in legend.get_texts()]
                texts.append(legend.get_title().get_text().replace("\n", " "))
    return texts


def every_figure(made, ground):
    layers, stack = made.layers, made.stack
    curve = {"x": [0, 0.1, 1], "y": [0, 0.5, 1], "low": [0, 0.3, 0.9], "high": [0, 0.7, 1]}
    names = [str(name) for name in stack["channel"].values]
    units = [str(unit) for unit in stack["units"].values]
    rows = [
        {"element": name, "auc": 0.5 + 0.02 * i, "p": 0.01 * i, "keep": i > 3}
        for i, name in enumerate(HARD[:9])
    ]
    return {
        "target": plots.target_map(ground, layers["areas"], layers["targets"]),
        "score": plots.score_map(ground, made.score),
        "spread": plots.spread_map(ground, made.spread),
        "folds": plots.folds_map(ground, layers["areas"]),
        "channels": plots.channels_figure(
            ground, stack["layers"].values, names, units=units, kept=[name != "Mo" for name in names]
        ),
        "roc": plots.roc({HARD[1]: curve, HARD[2]: curve}),
        "rate": plots.prediction_rate({HARD[1]: curve, HARD[0]: curve}, budget=0.1),
        "confusion": plots.confusion_matrices({HARD[0]: CALLED, HARD[3]: CALLED}),
        "confusion of many": plots.confusion_matrices({f"{HARD[3]} {i}": CALLED for i in range(6)}),
        "study area": plots.samples_map(ground, samples_of(made), locate=True),
        "auc": plots.interval_plot([(HARD[0], 0.7, (0.6, 0.8)), (HARD[3], 0.6, None)]),
        "screening": plots.screening_plot(rows),
        **every_figure_of_trust(made, ground, curve),
    }


def samples_of(made):
    return np.column_stack([made.layers["samples"].geometry.x, made.layers["samples"].geometry.y])


def every_figure_of_trust(made, ground, curve):
    bands = made.applicability
    influence = [
        {"group": name, "drop": 0.1 - 0.03 * i, "sd": 0.02, "rank": i} for i, name in enumerate(HARD[:6])
    ]
    attention = [{"factor": f, "branch": b, "mean": 0.5} for f in HARD[:4] for b in (HARD[0], "8 px")]
    area = curve | {"threshold": [None, 0.7, 0.1], "at": 0.5, "oa": 0.3, "pr": 0.7, "nd": 2.3}
    return {
        "precision": plots.precision_recall({HARD[1]: curve}, prevalence=0.1),
        "success": plots.success_rate(curve),
        "calibration": plots.calibration_plot(BINS),
        "walk": plots.walk_plot(WALK, chance=31.0, rank=4, interval=(2, 7)),
        "crowded calibration": plots.calibration_plot(CROWDED),
        "area": plots.prediction_area(area),
        "distances": plots.distance_plot({"map": [0.0, 900.0], "test": [3000.0, 9000.0]}),
        "audit": plots.audit_plot({HARD[1]: [(HARD[3], 0.9, (0.8, 1.0)), (HARD[0], 0.7, None)]}),
        "influence": plots.influence_plot(influence),
        "attention": plots.attention_map(attention),
        "applicability": plots.applicability_map(
            ground, bands["index"], inside=bands["inside"], far=bands["far"], threshold=0.46
        ),
        "ore_like": plots.ore_like_map(ground, bands["ore_index"], threshold=1.2),
    }


# ---- all figures


def test_every_figure_is_the_same_bytes_when_made_again(made, ground):
    first, again = every_figure(made, ground), every_figure(made, ground)
    for name in first:
        kind = "png" if name in MAPS else "svg"
        for each in (kind, "pdf"):
            assert plots.save(first[name], each, dpi=50) == plots.save(again[name], each, dpi=50), name


def test_saved_files_hold_no_clock_and_no_program_name(ground, made):
    figure = plots.roc({"a": {"x": [0, 1], "y": [0, 1]}})
    assert Image.open(io.BytesIO(plots.save(figure))).info.keys() <= {"dpi"}
    svg = plots.save(figure, "svg")
    assert b"<dc:date>" not in svg
    assert b"<dc:creator>" not in svg
    pdf = plots.save(figure, "pdf")
    assert not re.search(rb"Date|matplotlib|Creator|Producer", pdf)


def test_a_pdf_is_the_same_bytes_in_another_process_and_keeps_its_letters():
    """Names of subsets of fonts come from a hash: it must not be one that Python draws anew each time."""
    code = (
        "import hashlib; from gossan import plots;"
        "figure = plots.roc({'Betty Creek': {'x': [0, 1], 'y': [0, 1]}});"
        "pdf = plots.save(figure, 'pdf'); assert b'/ToUnicode' in pdf and b'/Type3' in pdf;"
        "print(hashlib.sha256(pdf).hexdigest())"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_known_ground_that_a_vote_chose_is_what_is_given(made, ground):
    areas, targets = made.layers["areas"], made.layers["targets"]
    voted = areas[areas["known_deposits"] > 0].head(2)
    text = " ".join(words(plots.target_map(ground, areas, targets, known=voted)))
    assert "Known ground that is voted ore (2)" in text.replace("\n", " ")
    assert "scores as high" not in text


def test_hard_names_draw_without_a_warning():
    hard = make_run(64, 8, names=HARD)
    layers = hard.layers
    side = 64 * 200.0
    ground = plots.Ground(
        (WEST, SOUTH, WEST + side, SOUTH + side), CRS, geology=layers["geology"], credit=HARD[1] * 9
    )
    figure = plots.target_map(ground, layers["areas"], layers["targets"], title=HARD[0])
    assert plots.save(figure, dpi=40)
    assert plots.save(figure, "svg")
    text = " ".join(words(figure))
    assert "$x_1$" in text
    assert "hidden" in text


def test_no_global_state_is_touched_and_pyplot_stays_unloaded():
    code = (
        "import sys; from gossan import plots; import matplotlib; before = dict(matplotlib.rcParams);"
        "plots.save(plots.roc({'a': {'x': [0, 1], 'y': [0, 1]}}), 'svg');"
        "assert dict(matplotlib.rcParams) == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    lazy = "import sys, gossan.plots; assert not {'matplotlib', 'pandas', 'geopandas'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", lazy], check=True)


def test_missing_glyphs_names_the_letters_that_no_font_has():
    assert plots.missing_glyphs(["Gold Creek, Åse <b>"]) == ""
    assert plots.missing_glyphs(["Gold \U00012000", "Creek \U00012000"]) == "\U00012000"


def test_mathematics_in_names_is_not_parsed():
    assert RC["text.parse_math"] is False


# ---- what lies where


def test_the_north_west_area_is_drawn_in_the_north_west(ground):
    score = np.zeros((64, 64), dtype=np.float32)
    score[:8, :8] = 1
    figure = plots.score_map(replace(ground, deposits=None, faults=None), score)
    side = 64 * 200.0
    best = at(figure, WEST + 0.05 * side, SOUTH + 0.95 * side)
    worst = at(figure, WEST + 0.05 * side, SOUTH + 0.05 * side)
    assert best[0] > 200
    assert best[2] < 90  # yellow
    assert worst[0] < 90  # violet


def test_holes_of_polygons_stay_open(ground):
    hole = box(WEST + 4000, SOUTH + 4000, WEST + 9000, SOUTH + 9000)
    side = 64 * 200.0
    ring = Polygon(box(WEST, SOUTH, WEST + side, SOUTH + side).exterior.coords, [hole.exterior.coords])
    geology = gpd.GeoDataFrame({"unit": ["a"]}, geometry=[ring], crs=CRS)
    figure = plots.target_map(plots.Ground(ground.region, CRS, geology=geology), _none(), _none())
    assert at(figure, WEST + 6300, SOUTH + 6500).tolist() == [255, 255, 255]
    assert at(figure, WEST + 2000, SOUTH + 6300).tolist() != [255, 255, 255]


def _none():
    return gpd.GeoDataFrame({"number": [], "score": [], "known_deposits": []}, geometry=[], crs=CRS)


def test_polygons_and_rasters_of_the_same_geology_have_the_same_legend(ground):
    from_raster = unit_shares(replace(ground, geology=None))
    from_polygons = unit_shares(ground)
    assert list(from_raster) == list(from_polygons)
    assert from_polygons == pytest.approx(from_raster, abs=0.01)
    assert sum(from_polygons.values()) == pytest.approx(1)


def test_a_unit_has_the_same_colour_as_polygon_and_as_raster(ground):
    bare = replace(ground, deposits=None, faults=None)
    place = WEST + 6500, SOUTH + 6300
    as_polygon = at(plots.target_map(bare, _none(), _none()), *place)
    as_raster = at(plots.target_map(replace(bare, geology=None), _none(), _none()), *place)
    assert np.abs(as_polygon - as_raster).max() <= 2


def test_geology_beyond_the_map_does_not_count():
    geology = gpd.GeoDataFrame(
        {"unit": ["in", "out"]}, geometry=[box(0, 0, 10, 10), box(10, 0, 900, 10)], crs=CRS
    )
    shares = unit_shares(plots.Ground((0, 0, 20, 10), CRS, geology=geology))
    assert shares == {"in": 0.5, "out": 0.5}


def test_only_sixteen_units_have_a_colour_of_their_own():
    colours = unit_colours([f"unit {i}" for i in range(40)])
    own = list(colours.values())[:16]
    assert len(set(own)) == 16
    assert set(list(colours.values())[16:]) == {OTHER_UNIT}


# ---- targets


def test_the_legend_counts_what_the_map_shows(made, ground):
    areas, targets, deposits = (made.layers[name] for name in ("areas", "targets", "deposits"))
    text = " ".join(words(plots.target_map(ground, areas, targets)))
    for label in (f"Target ({len(targets)})", f"Known deposit ({len(deposits)})", "scored (16)"):
        assert label in text


def test_known_ground_is_outlined_where_it_scores_as_high_as_a_target():
    squares = [box(10 * i, 0, 10 * i + 10, 10) for i in range(4)]
    table = {"number": [1, 2, 3, 4], "score": [0.9, 0.8, 0.5, 0.4], "known_deposits": [2, 0, 1, 0]}
    areas = gpd.GeoDataFrame(table, geometry=squares, crs=CRS)
    figure = plots.target_map(plots.Ground((0, 0, 40, 10), CRS), areas, areas[areas["number"] == 2])
    assert "Known ground that scores as high (1)" in words(figure)
    assert {text.get_text() for text in figure.axes[0].texts} == {"1", "2"}
    nothing = plots.target_map(plots.Ground((0, 0, 40, 10), CRS), areas, areas[:0])
    assert not figure_has(nothing, "Known ground")


def figure_has(figure, text):
    return any(text in each for each in words(figure))


def test_a_deposit_outside_the_map_is_not_counted(made, ground):
    far = gpd.GeoDataFrame({"camp": [99]}, geometry=[Point(0, 0)], crs=CRS)
    deposits = gpd.GeoDataFrame(geometry=[*made.layers["deposits"].geometry, *far.geometry], crs=CRS)
    text = " ".join(words(plots.score_map(replace(ground, deposits=deposits), made.score)))
    assert f"Known deposit ({len(deposits) - 1})" in text


def test_every_target_number_is_written_or_counted_as_left_out():
    crowded = make_run(64, 2)
    layers, side = crowded.layers, 64 * 200.0
    ground = plots.Ground((WEST, SOUTH, WEST + side, SOUTH + side), CRS)
    figure = plots.target_map(ground, layers["areas"], layers["targets"])
    written = [text.get_text() for text in figure.axes[0].texts]
    left = [text for text in words(figure) if "left out" in text]
    counted = int(left[0].split("(")[1].split()[0]) if left else 0
    known = [text for text in words(figure) if text.startswith("Known ground")]
    outlined = int(known[0].rstrip(")").split("(")[1]) if known else 0
    assert counted > 0
    assert len(written) + counted == len(layers["targets"]) + outlined


def test_a_map_without_targets_deposits_or_geology_is_drawn(ground):
    figure = plots.target_map(plots.Ground(ground.region, CRS), _none(), _none())
    assert plots.save(figure, dpi=40)


@pytest.mark.parametrize(
    "region", [(0, 0, 400_000, 30_000), (-9e4, 5_000_000, -8e4, 5_090_000), (0, 0, 300, 300)]
)
def test_maps_of_any_shape_and_size_are_drawn(region):
    ground = plots.Ground(region, "EPSG:26910")
    figure = plots.score_map(ground, np.arange(12.0).reshape(3, 4))
    assert plots.save(figure, dpi=40)
    width, height = figure.get_size_inches()
    assert 2 < width < 8
    assert 1 < height < 8


@st.composite
def squares(draw):
    count = draw(st.integers(1, 40))
    cells = draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=count, max_size=count, unique=True)
    )
    return np.array([(10 * x, 10 * y, 10 * x + 10, 10 * y + 10) for x, y in cells], dtype=float)


@settings(max_examples=60, deadline=None)
@given(squares(), st.floats(1.0, 12.0), st.integers(1, 4))
def test_labels_never_touch_or_leave_the_map(boxes, size, digits):
    texts = ["8" * digits] * len(boxes)
    placed = place_labels(texts, boxes, size=size, points=np.empty((0, 2)), region=(0, 0, 100, 100))
    half = np.array([DIGIT * digits + 0.2, LINE]) * size / 2
    centres = np.array(list(placed.values())).reshape(-1, 2)
    assert (centres - half >= 0).all()
    assert (centres + half <= 100).all()
    apart = np.abs(centres[:, None] - centres[None]) >= 2 * half * (1 - 1e-9)
    assert (apart.any(axis=2) | np.eye(len(centres), dtype=bool)).all()


@given(squares())
def test_a_label_that_fits_stands_inside_its_own_box(boxes):
    placed = place_labels(
        ["12"] * len(boxes), boxes, size=3, points=np.empty((0, 2)), region=(0, 0, 100, 100)
    )
    assert len(placed) == len(boxes)
    for i, centre in placed.items():
        assert (boxes[i, :2] < centre).all()
        assert (boxes[i, 2:] > centre).all()


# ---- score classes and charts


def test_score_classes_hold_the_shares_of_ground_that_they_name():
    score = np.random.default_rng(0).permutation(1000).astype(float)
    counts = np.bincount(plots.score_classes(score))
    assert counts.tolist() == [50, 50, 150, 250, 500]


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=60))
def test_no_class_holds_more_ground_than_it_says(values):
    classes = plots.score_classes(np.array(values))
    count = np.count_nonzero(classes >= 0)
    for i, (_, share) in enumerate(CLASSES):
        assert np.count_nonzero((classes >= 0) & (classes <= i)) <= share * count + 1e-6


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=60))
def test_a_higher_score_is_never_in_a_lower_class_and_ties_share_one(values):
    score = np.array(values)
    classes = plots.score_classes(score)
    assert ((classes == -1) == np.isnan(score)).all()
    known = ~np.isnan(score)
    order = np.argsort(score[known])
    assert (np.diff(classes[known][order]) <= 0).all()
    for value in np.unique(score[known]):
        assert len(np.unique(classes[score == value])) == 1


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_colour_limits_are_never_an_empty_range(values):
    low, high = limits(np.array([*values, np.nan]))
    assert low < high


def test_the_band_is_drawn_only_where_there_is_one():
    bare, banded = {"x": [0, 1], "y": [0, 1]}, {"x": [0, 1], "y": [0, 1], "low": [0, 0.8], "high": [0, 1]}
    assert not plots.prediction_rate({"a": bare}).axes[0].collections
    assert len(plots.prediction_rate({"a": banded, "b": banded}).axes[0].collections) == 1


def test_a_confusion_matrix_writes_each_number_and_its_share_of_what_is_known():
    figure = plots.confusion_matrices({"model": CALLED, "other": CALLED | {"hit": 0.0, "miss": 0.0}})
    first, second = (
        {text.get_position(): text.get_text().split() for text in axes.texts} for axes in figure.axes
    )
    assert first == {
        (0, 0): ["9.5", "73", "%"],
        (1, 0): ["3.5", "27", "%"],
        (0, 1): ["14", "27", "%"],
        (1, 1): ["37", "73", "%"],
    }
    assert second[0, 0] == ["0", "0", "%"]
    assert [axes.get_title() for axes in figure.axes] == ["model", "other"]


def shown_texts(figure):
    """Give every text that a figure shows, with its box in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    with style():
        canvas.draw()
        texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
        drawn = [text for text in texts if is_drawn(figure, text)]
        return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in drawn]


def is_drawn(figure, text):
    """Tell whether a text is more than the label of a tick out of range, which matplotlib keeps."""
    for axes in figure.findobj(lambda each: hasattr(each, "get_xaxis")):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if text in (tick.label1, tick.label2):
                    return axes.axison and low - 1e-9 <= tick.get_loc() <= high + 1e-9
    return True


def overlapping(texts):
    """List pairs of texts whose boxes share more than a hair."""
    pairs = []
    for i, (one, box_) in enumerate(texts):
        for other, box2 in texts[i + 1 :]:
            wide = min(box_.x1, box2.x1) - max(box_.x0, box2.x0)
            tall = min(box_.y1, box2.y1) - max(box_.y0, box2.y0)
            if wide > 1 and tall > 1:
                pairs.append((one, other))
    return pairs


def test_no_two_texts_of_a_figure_overlap_and_none_leaves_it(made, ground):
    for name, figure in every_figure(made, ground).items():
        texts = shown_texts(figure)
        assert len(texts) > 3, name
        assert overlapping(texts) == [], name
        width, height = figure.get_size_inches() * figure.dpi
        outside = [
            text
            for text, box_ in texts
            if box_.x0 < -1 or box_.y0 < -1 or box_.x1 > width + 1 or box_.y1 > height + 1
        ]
        assert outside == [], name


def test_the_model_of_the_run_leads_the_legend_and_chance_ends_it():
    curves = {"mfaf": {"x": [0, 1], "y": [0, 1]}, "forest": {"x": [0, 1], "y": [0, 1]}}
    texts = [text.get_text() for text in plots.roc(curves).axes[0].get_legend().get_texts()]
    assert texts == ["mfaf", "forest", "chance"]


def test_intervals_are_drawn_at_their_ends():
    axes = plots.interval_plot([("a", 0.7, (0.6, 0.8)), ("b", 0.65, None)]).axes[0]
    spans = [line.get_xdata() for line in axes.lines]
    assert any(np.array_equal(span, [0.6, 0.8]) for span in spans)
    low, high = axes.get_xlim()
    assert low < 0.5
    assert high > 0.8


def test_screening_is_ranked_and_elements_without_an_auc_are_left_out():
    rows = [
        {"element": e, "auc": a, "p": 0.5, "keep": False}
        for e, a in zip("abc", (0.5, None, 0.7), strict=True)
    ]
    axes = plots.screening_plot(rows).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a"]


def test_dropped_channels_stand_in_brackets(made, ground):
    names = [str(name) for name in made.stack["channel"].values]
    kept = [name != "Mo" for name in names]
    figure = plots.channels_figure(
        ground, made.stack["layers"].values, names, units=[""] * len(names), kept=kept
    )
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in titles if title.startswith("[")] == [f"[(h) {ELEMENTS[-1]}]"]
    assert {"(j) geology", "(k) faults"} <= set(titles)


def test_an_empty_channel_is_drawn(ground):
    layers = np.full((1, 8, 8), np.nan, dtype=np.float32)
    assert plots.save(plots.channels_figure(ground, layers, ["Ag"], units=["ppm"], kept=[True]), dpi=40)


@given(st.floats(1e-3, 1e7))
def test_kilometre_steps_are_round_and_long_enough(length):
    step = _nice_step(length)
    assert length <= step <= 5 * length
    assert f"{step:e}"[0] in "125"


def test_multipolygons_and_missing_geometries_are_drawn_part_by_part():
    shapes = gpd.GeoSeries([box(0, 0, 1, 1).union(box(3, 3, 4, 4)), None, Point(0, 0)])
    assert len(polygons(shapes).get_paths()) == 2


# ---- trust and reasons


def line(axes, label):
    """Points of the line with a label."""
    (found,) = [each for each in axes.lines if each.get_label() == label]
    return np.column_stack([found.get_xdata(), found.get_ydata()]).astype(float)


def test_the_lift_is_the_precision_over_the_prevalence():
    curve = {"x": [0, 1], "y": [0.8, 0.2]}
    axes = plots.precision_recall({"m": curve}, prevalence=0.2).axes[0]
    (right,) = axes.child_axes
    assert right._functions[0](np.array([0.2, 0.8])) == pytest.approx([1, 4])
    assert right._functions[1](right._functions[0](0.37)) == pytest.approx(0.37)
    assert line(axes, "chance: prevalence 20 %")[:, 1] == pytest.approx([0.2, 0.2])


def test_the_fitted_curve_stands_alone_and_says_so():
    axes = plots.success_rate({"x": [0, 0.1, 1], "y": [0, 0.9, 1]}).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["fitted: the model was trained on them", "chance"]
    assert "fitted" in axes.get_title(loc="left")
    assert not axes.collections


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 0.6), st.floats(0.05, 0.95))
def test_the_lines_of_the_prediction_area_plot_cross_where_the_shares_add_up_to_one(power, low):
    """With deposits y = x ** power the crossing x ** power = 1 - x is known; there the lines must meet."""
    from scipy.optimize import brentq

    x = np.linspace(0, 1, 2001)
    threshold = 1 - (1 - low) * x
    oa = brentq(lambda share: share**power - 1 + share, 0, 1)
    area = {"x": x.tolist(), "y": (x**power).tolist(), "threshold": [None, *threshold[1:].tolist()]}
    area |= {"at": 1 - (1 - low) * oa, "oa": oa, "pr": oa**power}
    axes = plots.prediction_area(area).axes[0]
    deposits, ground = line(axes, "held-out deposits"), line(axes, "ground")
    order = np.argsort(deposits[:, 0])
    for each in (deposits, ground):
        assert np.interp(area["at"], each[order, 0], each[order, 1]) == pytest.approx(1 - oa, abs=0.01)
    assert len(deposits) == 2000  # the first point has no threshold
    (right,) = axes.child_axes
    assert right._functions[0](1 - oa) == pytest.approx(oa)


def test_a_prediction_area_plot_without_a_crossing_or_points_is_drawn():
    assert plots.save(plots.prediction_area({"x": [0], "y": [0], "threshold": [None]}), "svg")
    assert plots.save(plots.prediction_area({}), "svg")


def test_empty_bins_are_not_drawn_and_numbers_stand_beside_the_others():
    axes = plots.calibration_plot(BINS).axes[0]
    assert [text.get_text() for text in axes.texts] == ["90", "30"]
    points = [each.get_xydata()[0] for each in axes.lines if each.get_marker() == "o"]
    assert np.array(points) == pytest.approx(np.array([[0.02, 0.01], [0.4, 0.3]]))
    assert 0.5 < axes.get_xlim()[1] == axes.get_ylim()[1] <= 1


def test_bins_without_intervals_are_drawn():
    bare = {"probability": [0.1, 0.2], "share_ore": [0.1, 0.3], "number": [5, 5], "low": None, "high": None}
    assert plots.save(plots.calibration_plot(bare), "svg")
    assert plots.save(plots.calibration_plot({}), "svg")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=50))
def test_the_distance_curve_is_the_share_of_distances_within(values):
    axes = plots.distance_plot({"map": values, "test": []}).axes[0]
    points = line(axes, "map to the nearest deposit")
    for metres in values:
        assert points[points[:, 0] <= metres / 1000, 1].max() == pytest.approx(
            np.mean(np.array(values) <= metres)
        )
    assert len(axes.get_legend().get_texts()) == 1


def test_each_model_of_the_audit_has_its_own_line_in_the_row_of_its_protocol():
    rows = [("random", 0.9, (0.8, 1.0)), ("strict", 0.7, (0.6, 0.8))]
    axes = plots.audit_plot({"a": rows, "b": rows[1:]}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["random", "strict"]
    heights = [round(float(each.get_ydata()[0])) for each in axes.lines if len(each.get_xdata()) == 1]
    assert heights == [0, 1, 1]


def test_influence_is_drawn_by_rank_with_its_spread():
    rows = [
        {"group": "b", "drop": -0.01, "sd": 0.02, "rank": 2},
        {"group": "a", "drop": 0.1, "sd": 0.03, "rank": 1},
        {"group": "none", "drop": None, "sd": None, "rank": 3},
    ]
    axes = plots.influence_plot(rows).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.1, -0.01])
    assert list(axes.lines[0].get_xdata()) == pytest.approx([0.07, 0.13])


def test_attention_stands_in_the_cell_of_its_factor_and_branch():
    rows = [
        {"factor": "Cu", "branch": "a", "mean": 0.1},
        {"factor": "Au", "branch": "a", "mean": 0.2},
        {"factor": "Cu", "branch": "b", "mean": 0.3},
    ]
    axes = plots.attention_map(rows).axes[0]
    table = axes.images[0].get_array()
    assert table.filled(-1).tolist() == [[0.1, 0.3], [0.2, -1]]
    assert [text.get_text() for text in axes.texts] == ["0.10", "0.30", "0.20"]
    many = [{"factor": f"f{i}", "branch": "a", "mean": 0.1} for i in range(200)]
    assert not plots.attention_map(many).axes[0].texts


def test_ground_outside_is_greyed_and_neutral_words_are_used(ground, made):
    bare = replace(ground, deposits=None, faults=None)
    index = np.full((64, 64), 0.2, dtype=np.float32)
    inside = np.ones_like(index)
    inside[40:, 40:] = 0
    inside[:8, :8] = np.nan
    figure = plots.applicability_map(bare, index, inside=inside, threshold=0.5)
    text = " ".join(words(figure))
    assert "unlike anything the model was trained on" in text
    assert not {"bad", "wrong", "unreliable", "danger"} & set(text.lower().split())
    image, side = pixels(figure), 64 * 200.0
    figure.set_dpi(100)

    def tone(easting, northing):
        col, row = figure.axes[0].transData.transform((easting, northing))
        row = image.shape[0] - 1 - int(row)
        return np.median(image[row - 6 : row + 6, int(col) - 6 : int(col) + 6].reshape(-1, 3), axis=0)

    middle = tone(WEST + 0.4 * side, SOUTH + 0.55 * side)
    corner = tone(WEST + 0.07 * side, SOUTH + 0.93 * side)
    outside = tone(WEST + 0.82 * side, SOUTH + 0.19 * side)
    assert np.abs(corner - middle).max() < 8  # no value is not outside
    assert np.ptp(outside) < np.ptp(middle) / 2  # greyed
    whole = plots.applicability_map(bare, index, inside=np.ones_like(index), threshold=0.5)
    assert "Outside" not in " ".join(words(whole))


def test_the_limit_is_on_the_scale_even_if_no_ground_reaches_it(ground):
    index = np.full((8, 8), 0.1, dtype=np.float32)
    image = plots.ore_like_map(ground, index, threshold=2.0).axes[0].images[0]
    assert image.norm.vmin == 0
    assert image.norm.vmax > 2
    assert plots.save(plots.applicability_map(ground, np.full((8, 8), np.nan, dtype=np.float32)), dpi=40)


def test_every_camp_has_an_outline_and_its_number(ground, made):
    figure = plots.folds_map(ground, made.layers["areas"])
    camps = sorted(made.layers["deposits"]["camp"].unique())
    assert sorted(int(text.get_text()) for text in figure.axes[0].texts) == camps
    assert f"Camp, with its number ({len(camps)})" in words(figure)
    assert "Held-out fold" in words(figure)


def test_deposits_in_no_camp_are_not_outlined_together(ground, made):
    deposits = made.layers["deposits"].assign(camp=0)
    deposits.loc[0, "camp"] = 7
    figure = plots.folds_map(replace(ground, deposits=deposits), made.layers["areas"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["7"]
    bare = plots.folds_map(replace(ground, deposits=deposits.assign(camp=0)), made.layers["areas"])
    assert not bare.axes[0].texts


def test_parameters_that_others_set_do_not_change_a_figure():
    import matplotlib as mpl

    samples = {"map": [0.0, 1500.0, 4000.0], "test": [2000.0, 5000.0]}
    before = plots.save(plots.distance_plot(samples))
    with mpl.rc_context({"xtick.direction": "in", "axes.formatter.use_mathtext": True, "lines.linewidth": 7}):
        assert plots.save(plots.distance_plot(samples)) == before
