"""The study's sections of the docs: what they say of made numbers."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MEASURES = ("accuracy", "auc", "recall_ore", "f1_ore", "f1_macro", "f1_weighted", "average_precision")


@pytest.fixture
def docs(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import study_docs

    monkeypatch.setattr(study_docs, "RESULTS", tmp_path)
    return study_docs


def line(label, auc, *, table=3, against="", gap=None, protocol="strict"):
    gaps = {}
    if gap is not None:
        mean, seeds, camps = gap
        gaps = {name: {"mean": mean, "seeds": seeds, "camps": camps} for name in MEASURES}
    return {
        "table": table, "label": label, "extra": False, "protocol": protocol, "against": against,
        "runs": 5, "failed": 0, "gaps": gaps,
        "measures": {name: {"mean": auc, "sd": 0.01, "n": 5} for name in MEASURES},
    }  # fmt: skip


def eskay(lines, head="Eskay: windows of 16 px, 20 epochs, device auto; mean"):
    design = {"areas": 700, "ore_areas": 20, "camps": 12}
    return {
        "project": "Eskay", "heads": {"strict": head}, "design": {"strict": design}, "failed": 0,
        "screening": {}, "lines": lines, "protocol_gaps": [],
    }  # fmt: skip


def test_a_study_that_was_not_run_has_no_figures_and_says_so(docs):
    for section in (docs.twin(), docs.eskay(), docs.protocols()):
        assert section.endswith(docs.NOT_YET)
        assert not any(sign.isdigit() for sign in section)


def test_the_papers_order_is_counted_pair_by_pair(docs):
    printed = {label: row[1] for label, row in docs.PAPER[3].items()}
    same = {label: [line(label, auc / 100)] for label, auc in printed.items()}
    assert "Of the 21 pairs of the paper's rows, 21 stand in its order" in docs._order(3, same)
    assert "so it is here" in docs._order(3, same)
    turned = {label: [line(label, 1 - auc / 100)] for label, auc in printed.items()}
    assert "21 pairs of the paper's rows, 0 stand in its order" in docs._order(3, turned)
    assert "Its best row is ResNet18*, here it is ShuffleNetV2." in docs._order(3, turned)


def test_a_question_is_answered_by_its_interval_or_by_the_surveys_it_would_take(docs):
    assert docs._answer([0.01, 0.02], 2, 3) == "**yes**"
    assert docs._answer([-0.02, -0.01], 2, 3) == "**no: the reverse**"
    assert docs._answer([-0.01, 0.02], 40, 3) == "open; about 40 surveys"
    assert "about 4 surveys" in docs._answer([-0.01, 0.02], 2, 3)  # three did not tell them apart
    assert "over 1000" in docs._answer([-0.01, 0.01], 10**6, 3)


def test_a_question_asked_the_other_way_round_turns_its_interval(docs):
    rows = [
        line("ResNet18*", 0.7, table=4),
        line(
            "R-CA-ResNet18*", 0.68, table=4, against="ResNet18*",
            gap=(-0.02, [-0.03, -0.01], [-0.06, 0.02]),
        ),
    ]  # fmt: skip
    found = docs._gap_between(rows, "ResNet18*", "R-CA-ResNet18*")
    assert found == {"mean": 0.02, "seeds": [0.01, 0.03], "camps": [-0.02, 0.06]}


def test_the_section_has_settings_device_and_smoke(docs, tmp_path):
    rows = [
        line("ResNet18", 0.6),
        line("ResNet18*", 0.7, against="ResNet18", gap=(0.1, [0.09, 0.11], [-0.01, 0.21])),
        line("ShuffleNetV2", 0.6),
        line("ShuffleNetV2*", 0.6, against="ShuffleNetV2", gap=(0.0, None, None)),
    ]
    head = "**Smoke: too few seeds or epochs to conclude from.** Eskay: 2 epochs, device auto; mean"
    (tmp_path / "study_eskay.json").write_text(json.dumps(eskay(rows, head)))
    text = docs.eskay()
    assert "**Smoke: too few" in text
    assert "2 epochs, 2 CPU cores, strict protocol; 700 areas, 20 with ore in 12 camps" in text
    assert "| +10.3 | +10.0 [+9.0, +11.0] (-1.0, +21.0) | open; about" in text
    assert "| ResNet18* | 72.7, 73.5 | 70.0 ± 1.0 |" in text
    assert "| +4.0 | +0.0 | no interval |" in text
    assert "0 of 2 findings of the paper are confirmed, 0 are reversed and 2 are open; 1 have the" in text


def test_the_mean_over_surveys_has_students_interval(docs):
    mean, (low, high) = docs._pooled([0.01, 0.02, 0.03])
    assert mean == pytest.approx(0.02)
    assert high - mean == pytest.approx(4.302653 * 0.01 / 3**0.5)
    assert mean - low == pytest.approx(high - mean)
