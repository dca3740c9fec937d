"""Nothing hidden can be solved, nothing is hidden in vain, and no customer gets out."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

import segmentation as seg
from segmentation.data.errors import TableError
from segmentation.publish import patterns
from segmentation.publish.disclosure import disclose, require_aggregate

COUNTS = st.sampled_from([0, 0, 1, 2, 5, 9, 10, 11, 30, 200])


def crosstable(shape):
    return arrays(np.int64, shape, elements=COUNTS)


SMALL = st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(crosstable)
MIDDLE = st.tuples(st.integers(2, 6), st.integers(2, 5)).flatmap(crosstable)


def framed(cells):
    cells = np.asarray(cells)
    rows, columns = (
        [f"row {i}" for i in range(cells.shape[0])],
        [f"c{j}" for j in range(cells.shape[1])],
    )
    return pd.DataFrame(cells, index=rows, columns=columns)


def ranges(cells, hidden):
    """What someone with the margins can say of each hidden cell: least and greatest value."""
    cells, places = np.asarray(cells, dtype=float), np.argwhere(hidden)
    rows, columns = cells.shape
    lines = [places[:, 0] == i for i in range(rows)] + [places[:, 1] == j for j in range(columns)]
    if rows == 1 or columns == 1:
        lines = [np.ones(len(places), dtype=bool)]
    sums = [cells[tuple(places[line].T)].sum() for line in lines]
    equal = np.array(lines, dtype=float)
    for one in np.eye(len(places)):
        low = linprog(one, A_eq=equal, b_eq=sums)
        high = linprog(-one, A_eq=equal, b_eq=sums)
        assert low.status == high.status == 0
        yield low.fun, -high.fun


def is_safe(cells, hidden):
    return all(high - low > 1e-6 for low, high in ranges(cells, hidden))


def best_pattern(cells, sensitive):
    """Number and sum of the best pattern's further cells by trying all, None if none is safe."""
    others = np.argwhere(~sensitive)
    for number in range(len(others) + 1):
        sums = []
        for chosen in itertools.combinations(others, number):
            hidden = sensitive.copy()
            for place in chosen:
                hidden[tuple(place)] = True
            if is_safe(cells, hidden):
                sums.append(sum(int(cells[tuple(place)]) for place in chosen))
        if sums:
            return number, min(sums)
    return None


def only_one_line(cells):
    """Whether all counts stand in one line, so that its cells equal published totals."""
    lines = min((cells.sum(axis=1) > 0).sum(), (cells.sum(axis=0) > 0).sum())
    return bool(lines == 1)


class TestCounts:
    def test_the_known_two_by_two(self):
        table = framed([[3, 50], [40, 70]])
        assert seg.suppress_counts(table).isna().all().all()

    def test_a_small_cell_takes_the_cheapest_rectangle(self):
        table = framed([[120, 40, 12], [80, 3, 15], [95, 25, 18]])
        hidden = seg.suppress_counts(table).isna().to_numpy()
        assert hidden.tolist() == [[False] * 3, [False, True, True], [False, True, True]]

    def test_two_small_cells_of_one_row_need_their_columns(self):
        # Row totals alone are not enough: each column's total would give its cell away.
        table = framed([[4, 6, 90], [50, 60, 70]])
        assert seg.suppress_counts(table).isna().sum().sum() == 4

    def test_three_small_cells_in_a_ring_of_six(self):
        # The rectangle needs 4 cells a small one; the ring through all three needs 3 in all.
        table = framed([[3, 40, 90], [90, 4, 40], [40, 90, 5]])
        assert seg.suppress_counts(table).isna().sum().sum() == 6

    def test_zeros_do_not_cover_for_what_they_cannot_be_taken_from(self):
        # Beside zeros only, the small cell could not fall, nor rise.
        table = framed([[3, 0, 0], [0, 0, 0], [0, 0, 25]])
        hidden = seg.suppress_counts(table).isna().to_numpy()
        assert hidden.sum() == 4
        assert hidden[2, 2]

    @settings(max_examples=40, deadline=None)
    @given(SMALL)
    def test_safe_and_smallest_against_trying_all(self, cells):
        sensitive = (cells > 0) & (cells < 10)
        hidden = seg.suppress_counts(framed(cells)).isna().to_numpy()
        if not sensitive.any():
            assert not hidden.any()
            return
        assert hidden[sensitive].all()
        best = best_pattern(cells, sensitive)
        if best is None:
            assert hidden.all()
            assert cells.size == 1 or only_one_line(cells)
            return
        further = hidden & ~sensitive
        assert is_safe(cells, hidden)
        assert (further.sum(), cells[further].sum()) == best

    @settings(max_examples=40, deadline=None)
    @given(MIDDLE)
    def test_no_hidden_cell_can_be_solved(self, cells):
        hidden = seg.suppress_counts(framed(cells)).isna().to_numpy()
        assert is_safe(cells, hidden) or (hidden.all() and only_one_line(cells))

    @settings(max_examples=25, deadline=None)
    @given(MIDDLE)
    def test_the_heuristic_is_as_safe_and_shows_no_cell_in_vain(self, cells):
        sensitive = (cells > 0) & (cells < 10)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(patterns, "EXACT", 0)
            hidden = patterns.smallest_pattern(cells.astype(float), sensitive, np.ones(cells.shape))
        if hidden.all() and only_one_line(cells):
            return
        assert is_safe(cells, hidden)
        for place in np.argwhere(hidden & ~sensitive):
            fewer = hidden.copy()
            fewer[tuple(place)] = False
            assert not is_safe(cells, fewer)

    @settings(max_examples=25, deadline=None)
    @given(MIDDLE, st.randoms(use_true_random=False))
    def test_sorting_the_table_changes_nothing(self, cells, random):
        table = framed(cells)
        rows, columns = list(table.index), list(table.columns)
        random.shuffle(rows)
        random.shuffle(columns)
        once = seg.suppress_counts(table)
        pd.testing.assert_frame_equal(
            seg.suppress_counts(table.loc[rows, columns]), once.loc[rows, columns]
        )
        pd.testing.assert_frame_equal(seg.suppress_counts(table), once)

    @settings(max_examples=25, deadline=None)
    @given(MIDDLE, st.integers(1, 40))
    def test_what_is_shown_is_the_truth_and_the_table_stays(self, cells, threshold):
        # A long table of nothing but ones is a customer a row, which is refused.
        assume(cells.max() != 1 or len(cells) < threshold or threshold == 1)
        table = framed(cells)
        result = seg.suppress_counts(table, threshold=threshold)
        pd.testing.assert_frame_equal(table, framed(cells))
        shown = result.notna().to_numpy()
        assert (result.to_numpy(dtype=float, na_value=-1)[shown] == cells[shown]).all()
        assert not (((cells > 0) & (cells < threshold)) & shown).any()

    def test_one_column_has_its_total_for_only_margin(self):
        hidden = seg.suppress_counts(framed([[3], [50], [40], [60]])).isna().to_numpy()
        assert hidden.ravel().tolist() == [True, False, True, False]
        two = seg.suppress_counts(framed([[3], [5], [40]])).isna().to_numpy()
        assert two.ravel().tolist() == [True, True, False]

    def test_one_row_likewise(self):
        hidden = seg.suppress_counts(framed([[3, 50, 40, 60]])).isna().to_numpy()
        assert hidden.tolist() == [[True, False, True, False]]

    def test_a_single_cell(self):
        assert seg.suppress_counts(framed([[3]])).isna().all().all()
        assert seg.suppress_counts(framed([[10]])).iloc[0, 0] == 10

    def test_where_nothing_protects_everything_is_hidden(self):
        # The second row's total is 0: the columns' totals are the cells of the first.
        assert seg.suppress_counts(framed([[3, 20], [0, 0]])).isna().all().all()

    def test_the_threshold_itself_and_zero_are_shown(self):
        assert seg.suppress_counts(framed([[10, 0], [0, 10]])).notna().all().all()
        assert seg.suppress_counts(framed([[9, 20], [30, 40]])).isna().all().all()
        assert seg.suppress_counts(framed([[9, 20], [30, 40]]), 9).notna().all().all()
        assert seg.suppress_counts(framed([[9, 20], [30, 40]]), threshold=None).isna().all().all()

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ("int64", "Int64"),
            ("int32", "Int32"),
            ("uint8", "UInt8"),
            ("Int64", "Int64"),
            ("float64", "float64"),
            ("float32", "float32"),
            ("Float64", "Float64"),
            ("int64[pyarrow]", "int64[pyarrow]"),
        ],
    )
    def test_type_labels_and_order_stay(self, given, wanted):
        table = framed([[3, 50, 60], [40, 70, 80]]).astype(given)
        table.index.name, table.columns.name = "branch_id", "tier"
        result = seg.suppress_counts(table)
        assert {str(kind) for kind in result.dtypes} == {wanted}
        pd.testing.assert_index_equal(result.index, table.index)
        pd.testing.assert_index_equal(result.columns, table.columns)
        assert result.isna().sum().sum() == 4

    def test_categories_and_several_levels_of_labels_stay(self):
        table = framed([[3, 50, 60], [40, 70, 80]])
        table.columns = pd.CategoricalIndex(["Basic", "Wealth", "Private"], ordered=True)
        table.index = pd.MultiIndex.from_tuples([("N", 1), ("S", 2)], names=["region", "branch"])
        result = seg.suppress_counts(table)
        pd.testing.assert_index_equal(result.columns, table.columns)
        pd.testing.assert_index_equal(result.index, table.index)

    @pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
    def test_empty_comes_back_empty(self, shape):
        assert seg.suppress_counts(framed(np.zeros(shape, dtype=int))).shape == shape

    @pytest.mark.parametrize("spread", [0.8, 1.5])
    def test_forty_by_twelve_takes_seconds(self, spread):
        random = np.random.default_rng(7)
        cells = np.floor(random.lognormal(4, spread, (40, 12))).astype(int)
        begun = time.perf_counter()
        hidden = seg.suppress_counts(framed(cells)).isna().to_numpy()
        assert time.perf_counter() - begun < 10
        assert ((cells > 0) & (cells < 10))[hidden].any()
        assert not hidden.all()

    def test_a_large_table_takes_the_heuristic_and_is_safe(self):
        random = np.random.default_rng(3)
        cells = np.floor(random.lognormal(6, 1.4, (90, 10))).astype(int)
        assert cells.size > patterns.EXACT
        hidden = seg.suppress_counts(framed(cells)).isna().to_numpy()
        assert 0 < hidden.sum() < 100
        assert is_safe(cells, hidden)


class TestRefused:
    @pytest.mark.parametrize(
        ("table", "words"),
        [
            (pd.DataFrame({"customer_id": [1, 2], "n": [30, 40]}), "identifier"),
            (pd.DataFrame({"客户号": [1, 2], "n": [30, 40]}), "identifier"),
            (pd.DataFrame({"n": [30]}, index=pd.Index(["a"], name="Customer ID")), "identifier"),
            (pd.DataFrame({"n": [30]}, index=pd.Index(["a"], name="household_id")), "identifier"),
            (framed(np.full((5_001, 2), 99)), "at most 5,000 rows"),
            (framed(np.eye(12, dtype=int)), "single customers"),
            (framed(np.ones((12, 1), dtype=int)), "single customers"),
            (framed(np.full((300, 2), 2)), "fewer than 10 in all"),
            (framed([[-1, 20], [30, 40]]), "not negative"),
            (framed([[1.5, 20], [30, 40]]), "whole numbers"),
            (framed([[np.nan, 20], [30, 40]]), "null"),
            (framed([[np.inf, 20], [30, 40]]), "finite"),
            (framed([[None, 20], [30, 40]]).astype("Int64"), "null"),
            (framed([["3", "20"], ["30", "40"]]), "numbers"),
            (framed([[True, False], [True, True]]), "numbers"),
            (framed([[1j, 20], [30, 40]]), "real numbers"),
            (pd.DataFrame([[1, 20], [30, 40]], index=["a", "a"]), "row labels are unique"),
            (pd.DataFrame([[1, 20], [30, 40]], columns=["a", "a"]), "column labels are unique"),
            (pd.DataFrame([[20], [20]], index=["a", "Total"]), "total"),
            (pd.DataFrame([[20], [20]], index=["a", " 合计 "]), "total"),
            (pd.DataFrame([[20, 20]], columns=["a", "总计"]), "total"),
            ([[1, 2]], "pandas DataFrame"),
        ],
    )
    def test_what_is_no_cross_table_of_counts(self, table, words):
        with pytest.raises(TableError, match=words):
            seg.suppress_counts(table)

    @pytest.mark.parametrize("threshold", [0, -1, 2.5, True, "10"])
    def test_thresholds(self, threshold):
        with pytest.raises(TableError, match="whole number from 1"):
            seg.suppress_counts(framed([[30]]), threshold=threshold)

    def test_no_value_in_the_message(self):
        table = pd.DataFrame({"n": [-48_213]}, index=["62220001"])
        with pytest.raises(TableError) as caught:
            seg.suppress_counts(table)
        assert "48" not in str(caught.value)
        assert "6222" not in str(caught.value)


def magnitudes(seed=1, shape=(5, 4)):
    """Sums of simulated customers with number and the two largest of each cell."""
    random = np.random.default_rng(seed)
    parts = [
        [np.sort(random.pareto(1.5, random.integers(0, 60)) * 1e4)[::-1] for _ in range(shape[1])]
        for _ in range(shape[0])
    ]

    def each(measure):
        return framed([[measure(cell) for cell in row] for row in parts])

    return (
        each(lambda cell: float(cell.sum())),
        each(len),
        each(lambda cell: float(cell[0]) if len(cell) else 0.0),
        each(lambda cell: float(cell[1]) if len(cell) > 1 else 0.0),
    )


class TestSums:
    LABELS = pd.Index(["N", "S", "E"], name="branch_id"), pd.Index(["a", "b", "c"])

    def of(self, cells):
        return pd.DataFrame(cells, *self.LABELS)

    def test_few_contributors(self):
        sums = self.of(np.full((3, 3), 1e6))
        heads = self.of([[9, 20, 20], [20, 20, 20], [20, 20, 20]])
        result = seg.suppress_sums(sums, heads, sums * 0.1)
        assert result.isna().to_numpy()[0, 0]
        assert result.isna().sum().sum() == 4
        assert seg.suppress_sums(sums, heads, sums * 0.1, threshold=9).notna().all().all()

    def test_dominance_is_more_than_its_share(self):
        sums = self.of(np.full((3, 3), 1e6))
        heads, top = self.of(np.full((3, 3), 20)), sums * 0.1
        top.iloc[1, 1] = 0.7e6
        assert seg.suppress_sums(sums, heads, top).notna().all().all()
        top.iloc[1, 1] = 0.7e6 + 0.01
        assert seg.suppress_sums(sums, heads, top).isna().iloc[1, 1]
        assert seg.suppress_sums(sums, heads, top, dominance=0.8).notna().all().all()

    def test_the_p_rule_needs_the_second_largest(self):
        # The rest is 40,000; the largest is 500,000: the second knows it to within 8 %.
        sums = self.of(np.full((3, 3), 1e6))
        heads, top, second = self.of(np.full((3, 3), 20)), sums * 0.1, sums * 0.1
        top.iloc[0, 0], second.iloc[0, 0] = 5e5, 4.6e5
        assert seg.suppress_sums(sums, heads, top).notna().all().all()
        assert seg.suppress_sums(sums, heads, top, second).isna().iloc[0, 0]
        assert seg.suppress_sums(sums, heads, top, second, p=0.07).notna().all().all()

    def test_a_sum_known_to_a_few_yuan_is_known(self):
        # Three cells of a cent would be the cheapest rectangle, and would leave two cents open.
        sums = self.of([[1e6, 0.01, 3e5], [0.01, 0.01, 9e5], [4e5, 9e5, 8e5]])
        heads = self.of([[5, 20, 20], [20, 20, 20], [20, 20, 20]])
        hidden = seg.suppress_sums(sums, heads, sums * 0.5).isna().to_numpy()
        low, high = next(iter(ranges(sums, hidden)))
        assert hidden[0, 0]
        assert high - low >= 0.1 * 5e5

    @pytest.mark.parametrize("seed", range(8))
    def test_no_hidden_sum_can_be_solved_nor_nearly(self, seed):
        sums, heads, top, second = magnitudes(seed)
        hidden = seg.suppress_sums(sums, heads, top, second).isna().to_numpy()
        first, total = top.to_numpy(), sums.to_numpy()
        rest = total - first - second.to_numpy()
        sensitive = (heads > 0).to_numpy() & (
            (heads < 10).to_numpy() | (first > 0.7 * total) | (rest < 0.1 * first)
        )
        assert sensitive.any()
        assert hidden[sensitive].all()
        assert not hidden.all()
        for (low, high), place in zip(ranges(sums, hidden), np.argwhere(hidden), strict=True):
            assert high - low > 1e-3
            if sensitive[tuple(place)]:
                assert high - low >= 0.0999 * first[tuple(place)]
        for place in np.argwhere(hidden & ~sensitive):
            fewer = hidden.copy()
            fewer[tuple(place)] = False
            wide = [
                high - low >= 0.1 * first[tuple(at)] and high - low > 1e-3
                for (low, high), at in zip(ranges(sums, fewer), np.argwhere(fewer), strict=True)
                if sensitive[tuple(at)]
            ]
            assert not all(wide)

    def test_sorted_otherwise_and_the_parts_in_another_order(self):
        sums, heads, top, second = magnitudes(4)
        once = seg.suppress_sums(sums, heads, top, second)
        turned = seg.suppress_sums(sums.iloc[::-1], heads, top.iloc[:, ::-1], second)
        pd.testing.assert_frame_equal(turned, once.iloc[::-1])
        assert set(once.dtypes.astype(str)) == {"float64"}

    def test_the_banks_own_rules(self, tmp_path):
        (tmp_path / "disclosure.toml").write_text("[default]\nthreshold = 25\n", "utf-8")
        sums = self.of(np.full((3, 3), 1e6))
        heads = self.of(np.full((3, 3), 30))
        heads.iloc[0, 0] = 20
        assert seg.suppress_sums(sums, heads, sums * 0.1).notna().all().all()
        assert seg.suppress_sums(sums, heads, sums * 0.1, folder=tmp_path).isna().iloc[0, 0]

    def test_a_giant_that_nothing_covers_takes_the_table_with_it(self):
        sums = self.of([[1e9, 5.0, 5], [5, 5, 5], [5, 5, 5]])
        heads = self.of(np.full((3, 3), 20))
        assert seg.suppress_sums(sums, heads, sums * 0.9).isna().all().all()

    def test_nothing_but_zeros(self):
        sums, heads = self.of(np.zeros((3, 3))), self.of(np.full((3, 3), 20))
        assert seg.suppress_sums(sums, heads, sums).notna().all().all()
        assert seg.suppress_sums(sums, heads * 0 + 3, sums).isna().all().all()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda s, h, t, u: (-s, h, t, u), "not negative"),
            (lambda s, h, t, u: (s, h * 0, t, u), "parts of a sum"),
            (lambda s, h, t, u: (s, h + 0.5, t, u), "whole numbers"),
            (lambda s, h, t, u: (s, h, t * 99, u), "parts of a sum"),
            (lambda s, h, t, u: (s, h, t, t * 2), "parts of a sum"),
            (lambda s, h, t, u: (s, h.iloc[:2], t, u), "rows and columns of the sums"),
            (lambda s, h, t, u: (s, h, t.rename(columns={"a": "z"}), u), "rows and columns"),
            (lambda s, h, t, u: (s, h, [[1]], u), "cross-table like the sums"),
            (lambda s, h, t, u: (s.rename_axis(index="customer_id"), h, t, u), "identifier"),
            (lambda s, h, t, u: (s.replace(1e6, np.nan), h, t, u), "null"),
        ],
    )
    def test_what_does_not_belong_together(self, change, words):
        sums = self.of(np.full((3, 3), 1e6))
        parts = change(sums, self.of(np.full((3, 3), 20)), sums * 0.1, sums * 0.05)
        with pytest.raises(TableError, match=words):
            seg.suppress_sums(*parts)

    @pytest.mark.parametrize("wrong", [{"threshold": 0}, {"dominance": 1.5}, {"p": 0.0}])
    def test_rules_out_of_range(self, wrong):
        sums = self.of(np.full((3, 3), 1e6))
        with pytest.raises(TableError, match="dominance and p are shares"):
            seg.suppress_sums(sums, self.of(np.full((3, 3), 20)), sums * 0.1, **wrong)


def tidy(customers, **more):
    names = [f"tier {place}" for place in range(len(customers))]
    aum = [float(count) * 1e5 for count in customers]
    return pd.DataFrame({"tier": names, "customers": customers, "aum": aum, **more})


class TestGate:
    def test_nothing_small_nothing_changed(self):
        table = tidy([900, 80, 10, 0])
        shown, hidden = disclose(table)
        assert hidden == 0
        pd.testing.assert_frame_equal(shown, table)

    def test_all_numbers_of_a_small_row_and_of_one_more(self):
        shown, hidden = disclose(tidy([900, 80, 4], tier_code=[0, 1, 2]))
        assert hidden == 2
        assert shown["customers"].tolist() == [900, pd.NA, pd.NA]
        assert shown["aum"].isna().tolist() == [False, True, True]
        assert shown["tier"].notna().all()
        assert shown["tier_code"].tolist() == [0, 1, 2]
        assert str(shown["customers"].dtype) == "Int64"

    def test_two_small_rows_that_are_a_small_group_together(self):
        assert disclose(tidy([900, 80, 4, 5]))[0]["customers"].isna().sum() == 3
        assert disclose(tidy([900, 80, 4, 6]))[0]["customers"].isna().sum() == 2

    def test_an_empty_group_covers_only_where_nothing_else_is_left(self):
        assert disclose(tidy([4, 0, 90]))[0]["customers"].isna().tolist() == [True, False, True]
        assert disclose(tidy([4, 0]))[0]["customers"].isna().all()

    def test_each_label_may_have_its_total_shown(self):
        table = pd.DataFrame(
            {
                "month": pd.to_datetime(["2025-11-01"] * 3 + ["2025-12-01"] * 3),
                "tier": ["Basic", "Wealth", "Private"] * 2,
                "n": [800, 60, 4, 820, 70, 30],
            }
        )
        hidden = disclose(table).table["n"].isna()
        for label in ("month", "tier"):
            assert (hidden.groupby(table[label]).sum() != 1).all()
        assert not hidden[0]

    def test_again_changes_nothing(self):
        table = tidy([900, 80, 4, 5, 0, 7, 12])
        once = disclose(table)
        again = disclose(once.table)
        pd.testing.assert_frame_equal(again.table, once.table)
        assert again.hidden == once.hidden

    def test_the_smallest_of_several_counts_decides(self):
        table = tidy([900, 80, 40, 50])
        table["contacts"] = [100, 3, 20, 0]
        assert disclose(table).table["aum"].isna().tolist() == [False, True, True, False]

    def test_counts_named_by_the_caller(self):
        table = tidy([900, 80, 4]).rename(columns={"customers": "heads"})
        assert disclose(table).hidden == 0
        assert disclose(table, counts="heads").hidden == 2
        assert disclose(tidy([900, 80, 4]), counts=()).hidden == 0
        with pytest.raises(TableError, match="missing"):
            disclose(table, counts=["head"])

    @pytest.mark.parametrize("counts", [["1", "2"], [-1, 20]])
    def test_counts_are_numbers_and_not_negative(self, counts):
        with pytest.raises(TableError, match=r"counts are"):
            disclose(pd.DataFrame({"tier": ["a", "b"], "customers": counts}))

    def test_other_objects_go_with_the_numbers(self):
        table = tidy([900, 80, 4])
        table["interval"] = [(1, 2), (3, 4), (5, 6)]
        table["consents"] = [True, False, True]
        shown = disclose(table).table
        assert shown["interval"].tolist() == [(1, 2), None, None]
        assert shown["consents"].notna().all()

    def test_an_empty_table(self):
        assert disclose(tidy([])).table.empty

    @pytest.mark.parametrize(
        "frame",
        [
            pd.DataFrame({"customer_id": ["a"], "aum": [1.0]}),
            pd.DataFrame({"aum": [1.0]}, index=pd.Index(["a"], name="customer_id")),
            pd.DataFrame([[1.0]], columns=pd.MultiIndex.from_tuples([("x", "账号")])),
            pd.DataFrame({"aum": np.arange(501.0)}),
        ],
    )
    def test_customer_level_frames_are_refused(self, frame):
        with pytest.raises(TableError):
            require_aggregate(frame)
        with pytest.raises(TableError):
            disclose(frame)

    def test_series_and_what_is_no_frame(self):
        assert require_aggregate(pd.Series([1.0], name="aum")).name == "aum"
        with pytest.raises(TableError, match="identifier"):
            require_aggregate(pd.Series(["a"], name="customer_id"))
        with pytest.raises(TableError, match="not an aggregate"):
            require_aggregate([1, 2])

    def test_a_bank_may_ask_for_more(self, tmp_path, monkeypatch):
        (tmp_path / "disclosure.toml").write_text("[default]\nthreshold = 100\n", "utf-8")
        monkeypatch.setenv("SEGMENTATION_RULES", str(tmp_path))
        assert disclose(tidy([900, 800, 80, 700])).hidden == 2

    @pytest.mark.parametrize("line", ["threshold = 0", 'threshold = "10"', "p = 2.0"])
    def test_a_broken_rule(self, tmp_path, monkeypatch, line):
        (tmp_path / "disclosure.toml").write_text(f"[default]\n{line}\n", "utf-8")
        monkeypatch.setenv("SEGMENTATION_RULES", str(tmp_path))
        with pytest.raises(TableError, match=r"rules/disclosure\.toml"):
            disclose(tidy([900, 80]))
