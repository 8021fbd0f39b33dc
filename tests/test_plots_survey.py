"""Figures of the data report: what they show is where it belongs and counted right."""

import io

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shapely import box

from gossan import plots
from gossan.transform import associations

REGION = (0.0, 0.0, 10_000.0, 10_000.0)


@pytest.fixture(scope="module")
def ground():
    deposits = gpd.GeoDataFrame(geometry=gpd.points_from_xy([2500.0], [7500.0]), crs="EPSG:32650")
    units = gpd.GeoDataFrame(
        {"unit": ["$granite_2$", "金山组"]}, geometry=[box(0, 0, 5e3, 1e4), box(5e3, 0, 1e4, 1e4)]
    )
    return plots.Ground(REGION, "EPSG:32650", geology=units, deposits=deposits, credit="a survey")


def texts(figure):
    return [each.get_text() for each in figure.findobj(lambda one: hasattr(one, "get_text"))]


def colour_at(figure, easting, northing):
    image = np.asarray(Image.open(io.BytesIO(plots.save(figure, dpi=100))).convert("RGB")).astype(int)
    figure.set_dpi(100)
    col, row = figure.axes[0].transData.transform((easting, northing))
    return image[image.shape[0] - 1 - int(row), int(col)]


def test_samples_are_drawn_where_they_lie_and_those_outside_are_counted(ground):
    samples = np.array([[7000.0, 3000.0], [20_000.0, 0.0], [1000.0, 1000.0]])
    figure = plots.samples_map(ground, samples, area=gpd.GeoDataFrame(geometry=[box(500, 500, 9500, 9500)]))
    assert "Sample (2, 1 outside)" in texts(figure)
    assert "Study area" in texts(figure)
    on, off = colour_at(figure, 7000, 3000), colour_at(figure, 8000, 3000)
    assert on[2] > on[0] + 60  # the blue of a sample
    assert np.abs(on - off).sum() > 100


def test_the_gap_map_classes_by_spacings_and_says_their_shares(ground):
    east = np.broadcast_to(np.arange(100) * 40.0, (100, 100)).copy()  # 0 to 4000 m
    east[:10] = np.nan
    figure = plots.gap_map(ground, east, 1000.0)
    shown = texts(figure)
    for label in ("under 500 m", "500 m to 1.0 km", "1.0 km to 2.0 km", "2.0 km to 3.0 km", "over 3.0 km"):
        assert any(label in " ".join(text.split()) for text in shown), label
    assert any("no value" in text for text in shown)
    near, far = colour_at(figure, 500, 2000), colour_at(figure, 9500, 2000)
    assert near.sum() > far.sum() + 200  # far is dark


def test_classes_have_their_colour_and_share(ground):
    classes = np.zeros((40, 40), dtype=int)
    classes[:, 30:] = 1
    figure = plots.class_map(ground, classes, ["background", "anomaly"], heading="Cu", title="Copper")
    assert any("anomaly: 25\u00a0%" in text for text in texts(figure))
    assert np.abs(colour_at(figure, 9000, 5000) - colour_at(figure, 1000, 2000)).sum() > 150


@pytest.mark.parametrize("count", [1, 6, 7])
def test_every_element_has_its_small_map(ground, count):
    classes = {f"E{i}": np.full((8, 8), i % 2) for i in range(count)}
    figure = plots.anomaly_maps(ground, classes, ["below", "above"])
    titled = [title for axes in figure.axes if (title := axes.get_title(loc="left"))]
    assert titled == list(classes)
    assert {"below", "above"} <= set(texts(figure))
    assert plots.save(figure) == plots.save(plots.anomaly_maps(ground, classes, ["below", "above"]))


def test_the_biplots_tips_are_loadings_times_the_deviation_and_names_do_not_cover_each_other():
    rng = np.random.default_rng(0)
    names = ["Cu", "Pb", "Zn", "Ni", "Cr", "Co", "_hidden", "$Au_2$"]
    logs = rng.normal(0, 1, (500, 8)) @ rng.normal(0, 0.6, (8, 8))
    found = associations(pd.DataFrame(np.exp(logs), columns=names), {})
    figure = plots.biplot(found.loadings, found.scores, found.variance)
    arrows = [each for each in figure.axes[0].texts if each.get_text() == ""]
    tips = np.array([arrow.xy for arrow in arrows])
    np.testing.assert_allclose(tips, found.loadings[["PC1", "PC2"]] * np.sqrt(found.variance[:2]))
    assert f"PC1 ({100 * found.explained[0]:.0f} % of the variance)" in texts(figure)
    figure.canvas.draw()
    boxes = [each.get_window_extent() for each in figure.axes[0].texts if each.get_text()]
    assert len(boxes) == 8
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_the_distance_between_tips_is_the_deviation_of_the_log_ratio():
    rng = np.random.default_rng(1)
    main = rng.normal(0, 1.0, (4000, 1)) * np.array([[1.0, 1.0, -1.0, -1.0]])
    second = rng.normal(0, 0.5, (4000, 1)) * np.array([[1.0, -1.0, 1.0, -1.0]])
    values = pd.DataFrame(np.exp(main + second + rng.normal(0, 0.02, (4000, 4))), columns=list("abcd"))
    found = associations(values, {})
    tips = found.loadings.iloc[:, :2].to_numpy() * np.sqrt(found.variance[:2])
    ratio = np.log(values["a"] / values["c"]).std()
    assert np.linalg.norm(tips[0] - tips[2]) == pytest.approx(ratio, rel=0.05)
