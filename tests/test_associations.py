"""Element associations: found where they are, by robust means, and refused where they cannot be."""

import numpy as np
import pandas as pd
import pytest

from gossan.errors import DataError
from gossan.transform import association_table, associations, clr, ilr_basis

ELEMENTS = ["Cu", "Pb", "Zn", "Ni", "Cr", "Co"]
UNITS = dict.fromkeys(ELEMENTS, "ppm")


def made(rng, n=600, wild=0.0):
    """Return compositions of two planted associations (Cu Pb Zn against Ni Cr Co), some rows spoilt."""
    basis = ilr_basis(6)
    main = np.array([1, 1, 1, -1, -1, -1]) / np.sqrt(6)
    second = np.array([1, -1, 0, 0, 0, 0]) / np.sqrt(2)
    logs = rng.normal(0, 1.0, n)[:, None] * main + rng.normal(0, 0.4, n)[:, None] * second
    logs = logs + rng.normal(0, 0.1, (n, 5)) @ basis.T
    bad = rng.uniform(size=n) < wild
    logs[bad] = 8.0 * np.array([0, 0, 1, -1, 0, 0]) + rng.normal(0, 0.1, (int(bad.sum()), 6))
    frame = pd.DataFrame(np.exp(logs) * rng.lognormal(3, 1, (n, 1)), columns=ELEMENTS)
    return frame, main, second


def angle(one, other):
    return np.degrees(np.arccos(min(1.0, abs(float(one @ other)))))


def test_planted_associations_are_found_with_their_share_of_the_variance():
    values, main, second = made(np.random.default_rng(0), n=4000)
    found = associations(values, UNITS)
    assert angle(found.loadings["PC1"].to_numpy(), main) < 2
    assert angle(found.loadings["PC2"].to_numpy(), second) < 2
    np.testing.assert_allclose(found.variance[:2], [1.01, 0.17], rtol=0.08)
    assert found.explained.sum() == pytest.approx(1)
    assert found.rows == 4000


def test_odd_samples_turn_classical_components_and_not_these():
    values, main, _ = made(np.random.default_rng(1), wild=0.15)
    classical = np.linalg.eigh(np.cov(clr(values.to_numpy()).T))[1][:, -1]
    assert angle(classical, main) > 20
    assert angle(associations(values, UNITS).loadings["PC1"].to_numpy(), main) < 5


def test_loadings_are_orthonormal_sum_to_zero_and_scores_are_the_log_ratios_along_them():
    values, _, _ = made(np.random.default_rng(2))
    found = associations(values, UNITS, components=9)
    loadings = found.loadings.to_numpy()
    assert loadings.shape == (6, 5)
    np.testing.assert_allclose(loadings.T @ loadings, np.eye(5), atol=1e-9)
    np.testing.assert_allclose(loadings.sum(axis=0), 0, atol=1e-9)
    along = clr(values.to_numpy()) @ loadings
    np.testing.assert_allclose(found.scores - found.scores.mean(), along - along.mean(axis=0), atol=1e-9)
    assert (found.loadings.max() == found.loadings.abs().max()).all()


def test_neither_units_nor_the_order_of_elements_nor_the_size_of_a_sample_matter():
    values, _, _ = made(np.random.default_rng(3))
    first = associations(values, UNITS)
    other = values.copy()
    other["Cu"] *= 1000  # in ppb
    turned = associations(other[ELEMENTS[::-1]].mul(np.arange(1, 601), axis=0), {**UNITS, "Cu": "ppb"})
    pd.testing.assert_frame_equal(turned.loadings.loc[ELEMENTS], first.loadings, rtol=0.02, atol=0.02)


def test_what_is_often_missing_or_one_value_is_left_out_and_told():
    values, _, _ = made(np.random.default_rng(4))
    values["Au"] = np.where(np.arange(600) < 200, np.nan, 1.0)
    values["Hg"] = np.where(np.arange(600) < 360, 0.5, np.arange(600.0) + 1)
    values.loc[0, "Cu"] = np.nan
    found = associations(values, UNITS)
    assert found.left_out == {"Au": "33% missing", "Hg": "60% of the values are 0.5"}
    assert found.rows == 599
    assert found.scores.iloc[0].isna().all()
    assert found.scores.iloc[1:].notna().all(axis=None)


def test_the_table_names_both_sides_of_a_component():
    values, _, _ = made(np.random.default_rng(5), n=2000)
    table = association_table(associations(values, UNITS, components=1))
    row = table.iloc[0]
    assert {frozenset(row["positive"].split()), frozenset(row["negative"].split())} == {
        frozenset(["Cu", "Pb", "Zn"]),
        frozenset(["Ni", "Cr", "Co"]),
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame[["Cu", "Pb"]], "2 of 2 elements"),
        (lambda frame: frame.head(29), "6 of 6 elements .* 29 samples"),
        (lambda frame: frame.assign(Pb=2 * frame["Cu"]), "depend on each other"),
    ],
)
def test_what_cannot_be_estimated_is_refused(change, said):
    values, _, _ = made(np.random.default_rng(6))
    with pytest.raises(DataError, match=said):
        associations(change(values), UNITS)
