"""Dense maps: shared scores are those of the windows one by one, where the network has a halo."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from gossan import dense, io
from gossan._around import gather_around, gather_region
from gossan.balance import BalanceSettings
from gossan.dense import Deviation, Scan, choose_method, deviation
from gossan.errors import UsageError
from gossan.explain import spatial_maps
from gossan.explain.views import swapped
from gossan.grid import dense_grid, make_grid, region_of, window_region
from gossan.hooks import no_checkpoint, no_progress
from gossan.models import ModelSettings, TrainingSettings, create, load_scorer, make_scorer
from gossan.models.network import NetworkScorer
from gossan.pipeline.prepare import _dead_zone
from gossan.pipeline.scan import PARTS, compare, scan
from gossan.recipe import Recipe, WindowSet
from gossan.split import ValidationSettings
from gossan.survey import make_stack
from gossan.windows import cut_windows, gather

GRID = make_grid((0, 0, 9600, 8000), 100, "EPSG:32650")
HOOKS = {"progress": no_progress, "checkpoint": no_checkpoint}


def made_stack(seed=0):
    """A stack of two layers with holes and three classes, 80 x 96 px; its south-west corner is no ground."""
    rng = np.random.default_rng(seed)
    layers = {name: rng.normal(size=(80, 96)).astype(np.float32) for name in ("Cu", "Zn")}
    layers["Zn"][rng.random((80, 96)) < 0.1] = np.nan
    mask = np.ones((80, 96), dtype=bool)
    mask[50:, :30] = False
    classes = rng.integers(-1, 3, (80, 96)).astype(np.int16)
    return make_stack(GRID, layers, {}, classes=classes, class_names=["shale", "lime", "dyke"], mask=mask)


def random_scorer(recipe, name="mfaf-shufflenet-v2", size=16, seed=0, members=1, **options):
    """A network of random weights and random running statistics, with the face of a fitted scorer."""
    torch.manual_seed(seed)
    options = {"depth": 1, "summary": True, "halo": True, **options}
    model = ModelSettings(width=0.5 if "shuffle" in name else 1.0, **options)
    scorer = NetworkScorer(name, model=model, training=TrainingSettings(ensemble=members))
    scorer.channels_, scorer.size_, scorer.prior_ = recipe.channels, size, 0.3
    scorer.members_ = [scorer._create() for _ in range(members)]
    for module in (each for net in scorer.members_ for each in net.modules()):
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.1 if module.out_features == 2 else 0.5)
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias)
    return scorer


def made_scan(seed=0, stride=8, size=16, method="shared", **options):
    stack = made_stack(seed)
    recipe = Recipe.fit(stack, cut_windows(GRID, 16, valid=stack["valid"].values), ["Cu", "Zn"])
    scorer = random_scorer(recipe, size=size, seed=seed, **options)
    return Scan(stack, recipe, scorer, size, stride, 0.5, method)


def whole(made):
    return made.block(slice(0, made.shape[0]), slice(0, made.shape[1]))


def exactly(made):
    return Scan(**{**{name: getattr(made, name) for name in made.__dataclass_fields__}, "method": "exact"})


class TestAgreement:
    @settings(deadline=None, max_examples=8)
    @given(seed=st.integers(0, 10**6), stride=st.sampled_from([4, 6, 8, 11]))
    def test_shared_scores_are_those_of_the_windows_one_by_one(self, seed, stride):
        made = made_scan(seed, stride)
        found, truth = whole(made)[0], whole(exactly(made))[0]
        assert np.isfinite(truth).any()
        assert np.nanstd(truth) > 1e-3
        np.testing.assert_allclose(found, truth, atol=2e-5)

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("mfaf-shufflenet-v2", {"channel_attention": False}),
            ("mfaf-shufflenet-v2", {"spatial_attention": False, "pool": "avg"}),
            ("mfaf-shufflenet-v2", {"size": 34, "summary": False, "mix": True, "rates": (1, 5)}),
            ("mfaf-resnet18", {"size": 32}),
            ("mfaf-mobilenet-v2", {"size": 32}),
            ("mfaf-mnasnet", {"size": 32}),
            ("mfaf-googlenet", {"size": 32}),
            ("shufflenet-v2", {"size": 32, "depth": 2}),
        ],
    )
    def test_of_every_backbone_and_form_of_attention(self, name, options):
        made = made_scan(3, 8, name=name, **options)
        np.testing.assert_allclose(whole(made)[0], whole(exactly(made))[0], atol=2e-5)

    def test_an_ensemble_has_the_same_spread_both_ways(self):
        made = made_scan(5, members=3)
        found, truth = whole(made), whole(exactly(made))
        assert np.nanmax(truth[1]) > 1e-3
        for ours, theirs in zip(found, truth, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-5)

    def test_a_single_network_has_no_spread(self):
        assert np.isnan(whole(made_scan(5))[1]).all()

    def test_without_a_halo_they_differ_and_the_deviation_says_so(self):
        made = made_scan(2, 4, halo=False)
        score = whole(made)[0]
        gap = np.nanmax(np.abs(score - whole(exactly(made))[0]))
        found = deviation(made, score, seed=[0], windows=10**6)
        assert gap > 1e-3
        assert found.largest == pytest.approx(gap, rel=1e-3)
        assert found.windows == np.isfinite(score).sum()
        assert deviation(made_scan(2, 4), whole(made_scan(2, 4))[0], seed=[0]).largest < 2e-5


class TestPlaces:
    def test_a_cut_into_tiles_changes_no_score(self, monkeypatch):
        made = made_scan(7, 4)
        at_once = whole(made)[0]
        rows, cols = made.shape
        parts = [made.block(slice(row, min(row + 5, rows)), slice(0, cols))[0] for row in range(0, rows, 5)]
        np.testing.assert_allclose(np.concatenate(parts), at_once, atol=2e-5)
        monkeypatch.setattr(dense, "_TILE", 24)
        np.testing.assert_allclose(whole(made)[0], at_once, atol=2e-5)

    def test_a_score_is_that_of_the_window_around_the_pixels_centre(self):
        grid = dense_grid(GRID, 16, 8)
        row, col = np.meshgrid(np.arange(grid.shape[0]), np.arange(grid.shape[1]), indexing="ij")
        west, south, east, north = window_region(GRID, row * 8, col * 8, np.full(row.shape, 16))
        x, y = grid.affine.c + grid.affine.a * (col + 0.5), grid.affine.f + grid.affine.e * (row + 0.5)
        np.testing.assert_allclose(x, (west + east) / 2)
        np.testing.assert_allclose(y, (south + north) / 2)
        assert grid.shape == made_scan().shape

    def test_a_stride_of_a_window_gives_the_areas(self):
        made = made_scan(1, 16)
        assert region_of(dense_grid(GRID, 16, 16)) == region_of(GRID)
        areas = cut_windows(GRID, 16, valid=made.stack["valid"].values, min_valid=0.5)
        score = made.scorer.predict(WindowSet(made.stack, areas, made.recipe)).score
        np.testing.assert_allclose(whole(made)[0][areas["row"] // 16, areas["col"] // 16], score, atol=2e-5)

    @pytest.mark.parametrize("method", ["shared", "exact"])
    def test_a_window_with_too_little_ground_has_no_score(self, method):
        made = made_scan(1, 8, method=method)
        valid = made.stack["valid"].values
        windows = cut_windows(GRID, 16, strides=(8,), valid=valid, min_valid=0.5)
        there = np.zeros(made.shape, dtype=bool)
        there[windows["row"] // 8, windows["col"] // 8] = True
        assert not there.all()
        np.testing.assert_array_equal(np.isfinite(whole(made)[0]), there)

    @pytest.mark.parametrize(("size", "stride"), [(16, 0), (81, 8), (0, 8)])
    def test_windows_that_do_not_fit_are_refused(self, size, stride):
        with pytest.raises(UsageError, match="must fit"):
            dense_grid(GRID, size, stride)


class TestReading:
    @settings(deadline=None, max_examples=20)
    @given(halo=st.integers(0, 40), seed=st.integers(0, 99))
    def test_what_lies_off_the_map_is_missing(self, halo, seed):
        stack = made_stack(seed)
        windows = cut_windows(GRID, 16, strides=(13,))
        padded = np.pad(
            np.concatenate(
                [stack["layers"].values, np.where(stack["classes"] < 0, np.nan, stack["classes"])[None]]
            ),
            ((0, 0), (halo, halo), (halo, halo)),
            constant_values=np.nan,
        )
        found = gather_around(stack, windows, halo)
        for window, row, col in zip(found, windows["row"], windows["col"], strict=True):
            side = 16 + 2 * halo
            np.testing.assert_array_equal(window, padded[:, row : row + side, col : col + side])
        region = gather_region(stack, slice(-halo, 80 + halo), slice(-halo, 96 + halo))
        np.testing.assert_array_equal(region[0], padded.astype(np.float32))

    def test_without_a_halo_windows_are_read_as_ever(self):
        stack = made_stack()
        windows = cut_windows(GRID, 16)
        np.testing.assert_array_equal(gather_around(stack, windows, 0), gather(stack, windows))

    def test_exchanged_channels_bring_their_surroundings(self):
        made = made_scan()
        windows = WindowSet(made.stack, cut_windows(GRID, 16).iloc[:6], made.recipe)
        source = np.array([3, 4, 5, 0, 1, 2])
        seen = swapped(windows, np.array([0]), source).around(8).read(np.arange(6))
        whole_windows, there = windows.around(8).read_masked(np.arange(6))
        both = there & there[source]
        np.testing.assert_array_equal(seen[:, 0][both], whole_windows[source][:, 0][both])
        np.testing.assert_array_equal(seen[:, 1], whole_windows[:, 1])


class TestNetworks:
    def test_the_halo_is_what_the_arithmetic_says(self):
        """Rate 24; 3 px of a strided convolution and pooling; 4 + 1 blocks of attention; 3 cells of 4 px."""
        context = create("mfaf-shufflenet-v2", channels=3, size=128, depth=1, halo=True).context
        assert (context.stride, context.cells, context.extent) == (4, 32, 4)
        assert context.halo == 4 * -(-(24 + 3 + (5 * 4 - 1) + 3 * 4) // 4)

    def test_a_network_that_sees_too_far_is_refused(self):
        with pytest.raises(UsageError, match=r"model.halo given .* keep fewer blocks"):
            create("shufflenet-v2", channels=2, size=32, halo=True)

    def test_it_is_fitted_on_what_lies_around_too_and_saved_and_loaded(self, tmp_path):
        made = made_scan()
        windows = WindowSet(made.stack, cut_windows(GRID, 16).iloc[:8], made.recipe)
        how = ModelSettings(width=0.5, depth=1, halo=True)
        scorer = make_scorer("mfaf-shufflenet-v2", model=how, training=TrainingSettings(epochs=1, batch=4))
        fitted = scorer.fit(windows, np.arange(8) < 3, balance=BalanceSettings("weights"), seed=[1])
        score = fitted.predict(windows).score
        again = load_scorer(tmp_path, json.loads(json.dumps(fitted.save(tmp_path))))
        np.testing.assert_array_equal(again.predict(windows).score, score)
        maps = spatial_maps(fitted, windows)
        assert maps.shape == (8, 16, 16)
        assert ((maps > 0) & (maps < 1)).all()

    def test_channel_weights_are_means_over_the_window(self):
        net = create("mfaf-shufflenet-v2", channels=3, size=16, depth=1, halo=True).eval()
        x = torch.randn(2, 3, *[16 + 2 * net.context.halo] * 2)
        weights = net.channel_weights(x)
        assert weights.shape == (3, 2, 3)
        far = x.clone()
        far[..., :8, :] += 100  # 20 px and more from the window: 3 px of rate and 7 of pooling do not reach
        torch.testing.assert_close(net.channel_weights(far), weights)


class TestMethod:
    def test_auto_shares_where_nothing_changes(self):
        made = made_scan()
        assert choose_method(made.scorer, "auto") == "shared"
        assert choose_method(made.scorer, "exact") == "exact"
        plain = random_scorer(made.recipe, halo=False)
        assert choose_method(plain, "auto") == "exact"
        assert choose_method(plain, "shared") == "shared"

    def test_a_model_without_convolutions_is_scored_window_by_window(self):
        forest = make_scorer("random-forest")
        assert choose_method(forest, "auto") == "exact"
        with pytest.raises(UsageError, match="no network"):
            choose_method(forest, "shared")


class TestDeviation:
    def test_of_equal_scores_is_none(self):
        truth = np.linspace(0, 1, 40)
        assert Deviation.of(truth, truth) == Deviation(40, 0.0, 0.0, pytest.approx(1.0), 1.0)

    def test_of_a_reversed_map_is_the_greatest(self):
        truth = np.linspace(0, 1, 40)
        found = Deviation.of(truth[::-1], truth)
        assert found.largest == 1.0
        assert found.rank_correlation == pytest.approx(-1)
        assert found.top_overlap == 0.0

    def test_of_a_flat_map_has_no_ranks(self):
        assert Deviation.of(np.ones(4), np.ones(4)).rank_correlation is None

    def test_of_a_map_without_a_score_is_nothing(self):
        made = made_scan()
        assert deviation(made, np.full(made.shape, np.nan, dtype=np.float32), seed=[0]) is None


class TestTasks:
    def test_the_parts_make_the_whole_and_are_compared(self, tmp_path):
        made = made_scan(4)
        record = made.scorer.save(tmp_path)
        weights = np.frombuffer((tmp_path / "model.safetensors").read_bytes(), dtype=np.uint8)
        given = {
            "prepare": {"stack": made.stack},
            "final": {"recipe": made.recipe.to_dict(), "record": record, "weights": weights},
            "dense": asdict(dense.DenseSettings(8)),
            "window": {"size": 16, "min_valid": 0.5},
        }
        parts = [scan(**given, part=part, parts=PARTS, **HOOKS) for part in range(PARTS)]
        score = np.concatenate([part["score"] for part in parts])
        np.testing.assert_allclose(score, whole(exactly(made))[0], atol=2e-5)
        found = compare(**given, scanned=parts, seed=[0], **HOOKS)["deviation"]
        assert found["largest"] < 2e-5
        assert found["rank_correlation"] > 0.999
        given["dense"]["method"] = "exact"
        assert compare(**given, scanned=parts, seed=[0], **HOOKS) == {"deviation": None}


class TestStrips:
    def strips(self):
        values = np.arange(35, dtype=np.float32).reshape(5, 7)
        values[0, 0] = np.nan
        return values, [(values[:2], -values[:2]), (values[2:2], -values[2:2]), (values[2:], -values[2:])]

    def test_what_is_written_in_strips_is_read_as_a_whole(self, tmp_path):
        grid = GeoBox((5, 7), GRID.affine, GRID.crs)
        values, strips = self.strips()
        io.write_strips(
            tmp_path / "a.tif", grid, ("score", "spread"), strips, tags={"GOSSAN_METHOD": "exact"}
        )
        with rasterio.open(tmp_path / "a.tif") as file:
            np.testing.assert_array_equal(file.read(), np.stack([values, -values]))
            assert file.descriptions == ("score", "spread")
            assert file.tags()["GOSSAN_METHOD"] == "exact"
            assert file.transform == grid.affine

    @pytest.mark.parametrize("cut", [slice(0, 1), slice(1, 3)])
    def test_strips_that_do_not_make_the_grid_are_refused(self, tmp_path, cut):
        _, strips = self.strips()
        with pytest.raises(UsageError, match=r"strips? of"):
            io.write_strips(
                tmp_path / "a.tif", GeoBox((5, 7), GRID.affine, GRID.crs), ("a", "b"), strips[cut]
            )
        assert not (tmp_path / "a.tif").exists()

    def test_a_strip_of_another_width_is_refused(self, tmp_path):
        _, strips = self.strips()
        with pytest.raises(UsageError, match="a strip of shapes"):
            io.write_strips(tmp_path / "a.tif", GeoBox((5, 6), GRID.affine, GRID.crs), ("a", "b"), strips)


def test_the_table_of_windows_has_only_what_a_scorer_reads():
    made = made_scan()
    table = made._table(np.array([0, 2]), np.array([1, 3]))
    pd.testing.assert_frame_equal(table, pd.DataFrame({"row": [0, 16], "col": [8, 24], "size": 16}))


class TestDeadZone:
    """What is read around a test window is not read around a training window."""

    def found(self, **given):
        model = ModelSettings(name="mfaf-shufflenet-v2", depth=1, halo=True)
        project = SimpleNamespace(model=model, validation=ValidationSettings(**given))
        return _dead_zone(project, 32, 100.0)

    def test_it_is_two_halos_wide_where_a_window_is_narrower(self):
        halo = create("mfaf-shufflenet-v2", channels=1, size=32, depth=1, halo=True).context.halo
        assert self.found() == 2 * halo * 100.0 > 3200
        assert self.found(dead_zone=9000.0) == 9000.0

    def test_a_narrower_one_is_refused(self):
        with pytest.raises(UsageError, match=r"validation\.dead_zone = 3200 m given"):
            self.found(dead_zone=3200.0)
