"""The sums that ship are those of the customers, where one has them."""

from __future__ import annotations

import numpy as np
import pytest

import segmentation as seg


def test_the_arms_are_those_of_the_source():
    sums = seg.hillstrom_sums().pool("segment")
    assert dict(zip(sums.groups["segment"], sums.n, strict=True)) == {
        "Mens E-Mail": 21_307,
        "No E-Mail": 21_306,
        "Womens E-Mail": 21_387,
    }
    rates = sums.means[:, sums.columns.index("visit")]
    assert np.round(rates, 5).tolist() == [0.18276, 0.10617, 0.15140]


@pytest.mark.data
def test_the_sums_are_those_of_the_customers(real_data):
    rows = seg.read_hillstrom(real_data / "hillstrom" / "hillstrom.csv.gz")
    rows["history_segment"] = rows["history_segment"].str[0].astype(int)
    shipped = seg.hillstrom_sums()
    found = seg.moments(rows, shipped.columns, by=shipped.by)
    assert found.groups[list(shipped.by)].values.tolist() == (
        shipped.groups[list(shipped.by)].values.tolist()
    )
    np.testing.assert_array_equal(found.n, shipped.n)
    np.testing.assert_allclose(found.means, shipped.means, rtol=1e-12)
    np.testing.assert_allclose(found.products, shipped.products, rtol=1e-9, atol=1e-6)


def test_sums_give_the_published_curve():
    sums = seg.hillstrom_sums()
    curve = seg.uplift_curve(
        sums, "womens", "visit", "segment", "No E-Mail", treated="Womens E-Mail"
    )
    assert round(curve.qini, 8) == 0.00767526
    assert round(curve.qini_se, 8) == 0.00079312
    assert round(curve.autoc, 7) == 0.0204124


@pytest.mark.data
def test_sums_give_the_curve_and_the_effects_of_the_customers(real_data):
    rows = seg.read_hillstrom(real_data / "hillstrom" / "hillstrom.csv.gz")
    rows["history_segment"] = rows["history_segment"].str[0].astype(int)
    sums = seg.hillstrom_sums()
    question = ("history_segment", "spend", "segment", "No E-Mail", "Mens E-Mail")
    one, other = seg.uplift_curve(sums, *question), seg.uplift_curve(rows, *question)
    for name in ("qini", "qini_se", "autoc", "autoc_se", "ate", "ate_se", "qini_p"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9)
    columns = ["visit", "conversion", "spend"]
    whole = sums.pool("segment")
    found = seg.effect(whole, columns, "segment", "No E-Mail")
    wanted = seg.effect(rows, columns, "segment", "No E-Mail")
    for name in ("estimate", "se", "low", "high", "p"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        (("age", "visit", "segment", "No E-Mail"), "age missing"),
        (("womens", "sale", "segment", "No E-Mail"), "sale missing"),
        (("womens", "visit", "segment", "nobody"), "control arm has rows"),
        (("womens", "visit", "segment", "No E-Mail"), "compares one arm with control"),
        (("womens", "visit", "segment", "No E-Mail", "all"), "treated arm has rows"),
        (("segment", "visit", "womens", 0), "a score is a number"),
    ],
)
def test_questions_that_sums_cannot_answer(question, rule):
    with pytest.raises(seg.TableError, match=rule):
        seg.uplift_curve(seg.hillstrom_sums(), *question)


def test_sums_have_no_clusters():
    sums = seg.hillstrom_sums()
    with pytest.raises(ValueError, match="no clusters"):
        seg.uplift_curve(sums, "womens", "visit", "segment", "No E-Mail", cluster="zip_code")
