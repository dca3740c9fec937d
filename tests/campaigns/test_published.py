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
