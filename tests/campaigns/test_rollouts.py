import itertools

import numpy as np
import pandas as pd
import pytest
from generators import RUNS, inside, record
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.campaigns import cautions, rollouts
from segmentation.campaigns.relabelings import Relabelings
from segmentation.campaigns.rollouts import did
from segmentation.campaigns.timelines import Timeline, read_timeline
from segmentation.campaigns.trends import changes
from segmentation.data.errors import TableError

# Log teen employment of 500 US counties, 2003–2007, by the year their minimum wage first rose
# (`mpdta` of R's did): counties, and means and covariances (over n) of its yearly changes.
COUNTIES = {
    0: (
        309,
        [-0.06263, 0.0128084, 0.0340878, 0.0222363],
        [
            *(0.0295813, -0.00945213, 0.00202201, 0.00063595, 0.02271152, -0.0057492, -0.00130025),
            *(0.04005384, -0.01227083, 0.0265266),
        ],
    ),
    2004: (
        20,
        [-0.0731333, -0.0471115, -0.0327477, 0.0586836],
        [
            *(
                0.00889757,
                -0.00238673,
                0.00118751,
                -0.00551558,
                0.01291594,
                -0.00155135,
                0.00160553,
            ),
            *(0.00596772, -0.0044924, 0.0138224),
        ],
    ),
    2006: (
        40,
        [-0.0561099, 0.0100576, 0.0294932, -0.0143936],
        [
            *(0.0179363, 0.00233649, -0.00015668, -0.00078674, 0.01236149, -0.00268395, 0.00188998),
            *(0.00742492, -0.00319066, 0.00988328),
        ],
    ),
    2007: (
        131,
        [-0.0321234, 0.0100825, 0.0030007, -0.0038182],
        [
            *(0.0170661, -0.00338525, 0.00165182, 0.00114191, 0.02558735, -0.00686277, -0.0000744),
            *(0.02488756, -0.00714837, 0.02509396),
        ],
    ),
}


def counties():
    """Counties whose changes have exactly these means and, over n − 1, these covariances."""
    rng = np.random.default_rng(0)
    frames, start = [], 0
    for first, (n, mean, upper) in COUNTIES.items():
        covariance = np.zeros((4, 4))
        covariance[np.triu_indices(4)] = upper
        covariance += np.triu(covariance, 1).T
        draws = rng.normal(size=(n, 4))
        draws -= draws.mean(axis=0)
        draws @= np.linalg.inv(np.linalg.cholesky(np.cov(draws.T))).T
        steps = draws @ np.linalg.cholesky(covariance).T + mean
        levels = 6 + np.column_stack([np.zeros(n), steps.cumsum(axis=1)])
        frames.append(
            pd.DataFrame(
                {
                    "county": np.repeat(np.arange(start, start + n), 5),
                    "year": np.tile(np.arange(2003, 2008), n),
                    "first": first,
                    "y": levels.ravel(),
                }
            )
        )
        start += n
    return pd.concat(frames, ignore_index=True)


def panel(seed=0, branches=24, size=5, periods=5, gaps=0.15, effect=0.0):
    """Customers of branches which began in period 3 or 4, or never, with gaps."""
    rng = np.random.default_rng(seed)
    branch = np.repeat(np.arange(branches), size)
    first = np.array([0, 3, 4])[branch % 3]
    units, times = len(branch), np.arange(1, periods + 1)
    common = rng.normal(size=(branches, periods))
    y = rng.normal(size=(units, 1)) + common[branch] + rng.normal(size=(units, periods))
    y = y + effect * ((first > 0)[:, None] & (times >= first[:, None]))
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat(np.arange(units), periods),
            "t": np.tile(times, units),
            "branch": [f"B{b:03d}" for b in np.repeat(branch, periods)],
            "first": np.repeat(first, periods),
            "y": y.ravel(),
        }
    )
    return frame[rng.random(len(frame)) >= gaps].reset_index(drop=True)


def brute(frame, control, base, clustered):
    """Effects and standard errors from the definition, one unit after the other."""
    wide = frame.pivot_table(index="customer_id", columns="t", values="y")
    first = frame.groupby("customer_id")["first"].first().to_numpy()
    branch = frame.groupby("customer_id")["branch"].first().to_numpy()
    times = list(wide.columns)
    y = wide.to_numpy()
    size = {g: (first == g).sum() for g in np.unique(first)}
    cells = {}
    for g in (3, 4):
        for t in times:
            b = g - 1 if t >= g or base == "universal" else t - 1
            if b == t or b < 1:
                continue
            change = y[:, times.index(t)] - y[:, times.index(b)]
            clean = first == 0
            if control == "not_yet":
                clean = clean | ((first > max(t, b)) & (first != g))
            mine, theirs = (first == g) & ~np.isnan(change), clean & ~np.isnan(change)
            psi = np.zeros(len(y))
            psi[mine] = (change[mine] - change[mine].mean()) / mine.sum()
            psi[theirs] -= (change[theirs] - change[theirs].mean()) / theirs.sum()
            cells[g, t] = (change[mine].mean() - change[theirs].mean(), psi)

    def mean(keys, by_size=True):
        weight = np.array([size[g] if by_size else 1.0 for g, _ in keys], float)
        theta = np.array([cells[key][0] for key in keys])
        value = weight @ theta / weight.sum()
        psi = sum(w * cells[key][1] for w, key in zip(weight, keys, strict=True)) / weight.sum()
        if by_size:
            for (g, _), each in zip(keys, theta, strict=True):
                psi = psi + (first == g) * (each - value) / weight.sum()
        return value, error(psi)

    def error(psi):
        names = branch if clustered else np.arange(len(psi))
        found = pd.DataFrame({"z": psi, "name": names, "first": first})
        z = found.groupby(["first", "name"])["z"].sum().reset_index()
        total, variance = len(z), 0.0
        for _, part in z.groupby("first"):
            n = len(part)
            variance += n / (n - 1) * ((part["z"] - part["z"].mean()) ** 2).sum()
            variance += total / (total - 1) * n * part["z"].mean() ** 2
        return np.sqrt(variance)

    return cells, mean


def test_the_published_minimum_wage_example():
    # Callaway & Sant'Anna's example without covariates, as R's did 2.0 prints it: the estimates to
    # its four digits; its standard errors are bootstrapped, so to within a tenth.
    printed = {
        (2004, 2004): (-0.0105, 0.0237),
        (2004, 2005): (-0.0704, 0.0330),
        (2004, 2006): (-0.1373, 0.0404),
        (2004, 2007): (-0.1008, 0.0364),
        (2006, 2004): (0.0065, 0.0243),
        (2006, 2005): (-0.0028, 0.0205),
        (2006, 2006): (-0.0046, 0.0162),
        (2006, 2007): (-0.0412, 0.0203),
        (2007, 2004): (0.0305, 0.0142),
        (2007, 2005): (-0.0027, 0.0162),
        (2007, 2006): (-0.0311, 0.0178),
        (2007, 2007): (-0.0261, 0.0174),
    }
    found = did(counties(), "y", "county", "year", "first")
    table = found.group_time.set_index(["group", "time"])
    assert list(table.index) == list(printed)
    for key, (estimate, se) in printed.items():
        assert round(table.loc[key, "estimate"], 4) == estimate
        assert table.loc[key, "se"] == pytest.approx(se, rel=0.12)
    # Its joint test is analytic, W = 7.79 on 5: p = 0.16812. Ours is the F that W becomes.
    trend = found.pretrend.iloc[0]
    wald = trend["statistic"] * 5 * (trend["df_residual"] + 4) / trend["df_residual"]
    assert round(stats.chi2.sf(wald, 5), 5) == 0.16812
    assert 0.168 < trend["p"] < 0.23
    assert found.simple["estimate"].item() == pytest.approx(-0.0400, abs=5e-5)
    assert found.counts.iloc[0].to_dict() == {
        "units": 500,
        "clusters": 500,
        "never": 309,
        "always_treated": 0,
        "incomplete": 0,
        "rows_dropped": 0,
    }
    assert found.notes == ()


@pytest.mark.parametrize("control", ["never", "not_yet"])
@pytest.mark.parametrize("base", ["varying", "universal"])
@pytest.mark.parametrize("clustered", [False, True])
def test_every_table_follows_its_definition(control, base, clustered):
    frame = panel(branches=36)
    found = did(
        frame, "y", "customer_id", "t", "first", "branch" if clustered else None, control, base=base
    )
    cells, mean = brute(frame, control, base, clustered)
    table = found.group_time.set_index(["group", "time"])
    table = table[table["se"].notna()]
    assert set(table.index) == set(cells)
    after = [key for key in cells if key[1] >= key[0]]
    wanted = [(table.loc[key], mean([key])) for key in cells]
    wanted.append((found.simple.iloc[0], mean(after)))
    for e, row in found.dynamic.set_index("event time").iterrows():
        wanted.append((row, mean([key for key in cells if key[1] - key[0] == e])))
    for g, row in found.group.set_index("group").iterrows():
        wanted.append((row, mean([key for key in after if key[0] == g], by_size=False)))
    for t, row in found.calendar.set_index("time").iterrows():
        wanted.append((row, mean([key for key in after if key[1] == t])))
    for row, (estimate, se) in wanted:
        assert row["estimate"] == pytest.approx(estimate, rel=1e-9, abs=1e-12)
        assert row["se"] == pytest.approx(se, rel=1e-9)
        assert row["low"] < row["estimate"] < row["high"]
        assert (row["p"] < 0.05) == (row["low"] > 0 or row["high"] < 0)
    assert found.counts["incomplete"].item() > 0
    assert cautions.GAPS_NOTE in found.notes


def test_engines_agree_and_the_order_of_rows_is_nothing(to_engine):
    frame = panel().assign(first=lambda f: f["first"].where(f["first"] > 0))
    for cluster in (None, "branch"):
        wanted = did(frame, "y", "customer_id", "t", "first", cluster, "not_yet")
        shuffled = frame.sample(frac=1, random_state=1)
        found = did(to_engine(shuffled), "y", "customer_id", "t", "first", cluster, "not_yet")
        for name in ("group_time", "simple", "dynamic", "group", "calendar", "pretrend", "counts"):
            pd.testing.assert_frame_equal(
                getattr(found, name), getattr(wanted, name), rtol=1e-9, atol=1e-12
            )


def test_two_groups_and_two_periods_by_hand():
    frame = pd.DataFrame(
        {
            "u": np.repeat(np.arange(24), 2),
            "t": [1, 2] * 24,
            "g": [2] * 24 + [0] * 24,
            "y": np.random.default_rng(3).normal(size=48),
        }
    )
    found = did(frame, "y", "u", "t", "g")
    change = frame.groupby("u")["y"].diff().dropna().to_numpy()
    welch = stats.ttest_ind(change[:12], change[12:], equal_var=False)
    row = found.group_time.iloc[0]
    assert row["estimate"] == pytest.approx(change[:12].mean() - change[12:].mean())
    assert row["se"] == pytest.approx(row["estimate"] / welch.statistic)
    assert row["p"] == pytest.approx(welch.pvalue)
    ci = welch.confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx((ci.low, ci.high))


def test_pitfall_28_regression_with_two_way_effects_is_wrong_and_this_is_right():
    rng = np.random.default_rng(5)
    times = np.arange(1, 11)
    first = np.repeat([2, 7, 0], 60)
    age = times - first[:, None]
    effect = np.where((first[:, None] > 0) & (age >= 0), 1.0 + age, 0.0)
    y = rng.normal(size=(180, 1)) + 0.3 * times + effect + 0.5 * rng.normal(size=effect.shape)
    frame = pd.DataFrame(
        {
            "u": np.repeat(np.arange(180), 10),
            "t": np.tile(times, 180),
            "g": np.repeat(first, 10),
            "y": y.ravel(),
        }
    )
    treated = ((first[:, None] > 0) & (age >= 0)).astype(float)

    def within(x):
        return (x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean()).ravel()

    import statsmodels.api as sm

    twfe = sm.OLS(within(y), within(treated)).fit().params[0]
    truth = effect[treated == 1].mean()
    found = did(frame, "y", "u", "t", "g")
    assert abs(twfe - truth) > 0.5
    simple = found.simple.iloc[0]
    assert abs(simple["estimate"] - truth) < 0.2
    assert simple["low"] < truth < simple["high"]
    after = found.dynamic[found.dynamic["event time"] >= 0]
    np.testing.assert_allclose(after["estimate"], 1 + after["event time"], atol=0.35)
    # The trend before is shown, and is nothing.
    assert (found.group_time["time"] < found.group_time["group"]).sum() == 5
    assert found.pretrend["p"].item() > 0.01
    bent = frame.assign(y=frame["y"] + 0.4 * frame["t"] * (frame["g"] == 7))
    assert did(bent, "y", "u", "t", "g").pretrend["p"].item() < 1e-6


def timeline(y, first):
    """A timeline of branches, without the way through an engine."""
    return Timeline(
        times=np.arange(1, y.shape[1] + 1),
        first=first,
        present=np.ones(y.shape, bool),
        n=np.ones(len(y)),
        means=y,
        products=None,
        cluster=np.arange(len(y)),
        months=False,
        dropped=0,
    )


def simulate(runs, name, first, size=0.0):
    """Rejections of no effect, misses of a true one, rejections of the trend and of one cell."""
    rng = np.random.default_rng(11)
    rejected = missed = trend = cell = 0
    for _ in range(runs):
        y = rng.normal(size=(len(first), 1)) + rng.normal(size=(len(first), 5)) * np.where(
            first > 0, 1.5, 1.0
        )[:, None] ** (size > 0)
        line = timeline(y, first)
        cells = changes(line, "never", "varying", 0)
        few = rollouts.few_clusters(line)
        found = rollouts.tabulate(line, cells, "varying", 0.05, few, 0, True)
        row = found.simple.iloc[0]
        rejected += row["p"] < 0.05
        missed += not row["low"] <= 0 <= row["high"]
        trend += found.pretrend["p"].item() < 0.05
        cell += found.group_time["p"].iloc[-1] < 0.05
    record("did", name, runs, rejected, runs - missed)
    record("did, trend before", name, runs, trend)
    return rejected, missed, trend, cell


FORTY = np.repeat([0, 0, 3, 4], 15)
TWO_OF_TWELVE = np.array([4] * 2 + [0] * 10)


def test_size_and_coverage():
    rejected, missed, trend, _ = simulate(RUNS, "60 branches, 30 treated", FORTY, 1.0)
    assert inside(rejected, RUNS)
    assert rejected == missed
    assert inside(trend, RUNS)


def test_pitfall_11_few_treated_branches_are_tested_by_permutation():
    runs = RUNS
    rejected, missed, trend, cell = simulate(runs, "12 branches, 2 treated", TWO_OF_TWELVE)
    # All 66 relabelings: at most 3/66 = 4.5 %; elsewhere t with one degree of freedom.
    high = stats.binom.ppf(0.999, runs, 0.05)
    assert 0.02 * runs < rejected <= high
    assert rejected == missed
    assert 0.02 * runs < trend <= high
    assert cell <= high


@pytest.mark.calibrate
def test_calibrated_size_and_coverage():
    rejected, missed, trend, _ = simulate(4000, "60 branches, 30 treated", FORTY, 1.0)
    assert inside(rejected, 4000)
    assert inside(missed, 4000)
    assert inside(trend, 4000)
    rejected, missed, trend, cell = simulate(4000, "12 branches, 2 treated", TWO_OF_TWELVE)
    assert max(rejected, missed, trend, cell) <= 0.065 * 4000


def test_the_interval_of_a_permutation_holds_what_it_does_not_reject():
    frame = panel(seed=4, branches=9, size=3, gaps=0.0, effect=1.0)
    found = did(frame, "y", "customer_id", "t", "first", "branch")
    row = found.simple.iloc[0]
    assert row["method"] == rollouts.PERMUTED
    assert cautions.FEW_NOTE in found.notes

    def p_value(shift):
        treated = (frame["first"] > 0) & (frame["t"] >= frame["first"])
        moved = frame.assign(y=frame["y"] - shift * treated)
        return did(moved, "y", "customer_id", "t", "first", "branch").simple["p"].item()

    assert p_value(0.0) == row["p"]
    for end, out in ((row["low"], -1), (row["high"], 1)):
        assert p_value(end + out * 1e-3) < 0.05 <= p_value(end - out * 1e-3)


def test_permutations_follow_their_definition():
    frame = panel(seed=2, branches=6, size=4, gaps=0.1)
    line = read_timeline(frame, "y", "customer_id", "t", "first", "branch")
    cells = changes(line, "never", "varying", 0)
    after = [k for k, cell in enumerate(cells) if cell.time >= cell.cohort]
    found = Relabelings(line, cells)
    assert found.effects.shape == (90, len(cells))
    actual = did(frame, "y", "customer_id", "t", "first", "branch")
    np.testing.assert_allclose(found.effects[0], actual.group_time["estimate"], rtol=1e-10)
    np.testing.assert_allclose(found.flags[0, after], 1.0)
    branches = sorted(frame["branch"].unique())
    firsts = frame.groupby("branch")["first"].first().to_numpy()
    every = []
    for order in set(itertools.permutations(firsts)):
        again = frame.assign(first=frame["branch"].map(dict(zip(branches, order, strict=True))))
        every.append(
            brute(again, "never", "varying", True)[1](
                [(cells[k].cohort, cells[k].time) for k in after]
            )[0]
        )
    p = np.mean(np.abs(every) >= abs(actual.simple["estimate"].item()) - 1e-12)
    assert actual.simple["p"].item() == pytest.approx(p)


def test_too_few_branches_bound_nothing():
    frame = panel(branches=3, size=4, gaps=0.0)
    frame = frame[frame["first"] != 4]
    found = did(frame, "y", "customer_id", "t", "first", "branch")
    row = found.simple.iloc[0]
    assert row["p"] == 1.0 or row["p"] == 0.5
    assert (row["low"], row["high"]) == (-np.inf, np.inf)
    assert np.isnan(row["se"])
    assert cautions.LONE_NOTE in found.notes


def test_clusters_of_several_groups_are_not_permuted():
    frame = panel(branches=6, size=6, gaps=0.0)
    frame["first"] = np.array([0, 3, 4])[frame["customer_id"] % 3]
    found = did(frame, "y", "customer_id", "t", "first", "branch")
    assert found.simple["method"].item() == rollouts.USUAL
    assert cautions.MIXED_NOTE in found.notes
    assert np.isnan(found.pretrend["p"].item())


def test_few_treated_customers_of_many():
    frame = panel(branches=300, size=4, gaps=0.0)
    few = frame["customer_id"] < 5
    found = did(frame.assign(first=np.where(few, 3, 0)), "y", "customer_id", "t", "first")
    assert found.notes == (cautions.MANY_NOTE,)
    assert found.counts["clusters"].item() == 1200


def test_months_are_months_and_labels_the_callers():
    frame = panel(gaps=0.0)
    wanted = did(frame, "y", "customer_id", "t", "first", "branch")
    month = {t: pd.Timestamp(2023, 10, 1) + pd.DateOffset(months=int(t)) for t in range(1, 6)}
    dated = frame.assign(
        t=frame["t"].map(month) + pd.Timedelta(days=27), first=frame["first"].map(month)
    )
    found = did(dated, "y", "customer_id", "t", "first", "branch")
    table = found.group_time
    assert list(table["time"]) == [month[t] for t in wanted.group_time["time"]]
    assert list(table["group"]) == [month[t] for t in wanted.group_time["group"]]
    assert list(found.dynamic["event time"]) == list(wanted.dynamic["event time"])
    pd.testing.assert_series_equal(table["se"], wanted.group_time["se"])


def test_the_first_columns_are_what_callers_read():
    found = did(panel(), "y", "customer_id", "t", "first", "branch")
    assert list(found.group_time)[:4] == ["group", "time", "estimate", "se"]
    assert list(found.simple)[:5] == ["estimate", "se", "low", "high", "p"]
    assert list(found.dynamic)[:5] == ["event time", "estimate", "se", "low", "high"]
    assert list(found.group)[:5] == ["group", "estimate", "se", "low", "high"]


def test_who_enters_in_the_year_of_treatment_tells_of_no_change():
    # bcallaway11/did #157: a unit without a period before is not to be compared.
    frame = panel(gaps=0.0)
    late = (frame["customer_id"] == 5) & (frame["first"] == 3)
    assert late.any()
    wild = frame.assign(y=frame["y"].where(~late, 1e6))[~late | (frame["t"] >= 3)]
    without = frame[~late]
    found = did(wild, "y", "customer_id", "t", "first", "branch").group_time
    wanted = did(without, "y", "customer_id", "t", "first", "branch").group_time
    np.testing.assert_allclose(found["estimate"], wanted["estimate"], rtol=1e-9)
    np.testing.assert_array_equal(found["n_treated"], wanted["n_treated"])


def test_anticipation_takes_an_earlier_base():
    frame = panel(gaps=0.0, branches=36)
    early = (frame["first"] > 0) & (frame["t"] == frame["first"] - 1)
    moved = frame.assign(y=frame["y"] + 50 * early)
    late = did(moved, "y", "customer_id", "t", "first", "branch")
    assert late.simple["estimate"].item() < -40
    found = did(moved, "y", "customer_id", "t", "first", "branch", anticipation=1)
    assert abs(found.simple["estimate"].item()) < 5
    row = found.dynamic.set_index("event time").loc[-1]
    assert abs(row["estimate"] - 50) < 5
    assert found.pretrend["df"].item() == 1


def test_always_treated_are_left_out_and_counted():
    frame = panel(gaps=0.0, branches=36)
    wanted = did(frame, "y", "customer_id", "t", "first", "branch")
    always = panel(seed=9, branches=3, size=5, gaps=0.0).assign(first=1)
    always["customer_id"] += 10_000
    always["branch"] += "x"
    found = did(pd.concat([frame, always]), "y", "customer_id", "t", "first", "branch")
    assert found.counts["always_treated"].item() == 15
    assert cautions.ALWAYS_NOTE in found.notes
    np.testing.assert_allclose(found.group_time["estimate"], wanted.group_time["estimate"])
    np.testing.assert_allclose(found.group_time["se"], wanted.group_time["se"])


def test_without_anybody_never_treated_the_later_are_controls():
    frame = panel(gaps=0.0, branches=36)
    frame = frame[frame["first"] > 0]
    with pytest.raises(TableError, match="not_yet"):
        did(frame, "y", "customer_id", "t", "first", "branch")
    found = did(frame, "y", "customer_id", "t", "first", "branch", "not_yet").group_time
    # The last to begin have nobody to compare with from then on.
    assert found[["group", "time"]].to_numpy().tolist() == [[3, 2], [3, 3], [4, 2]]


def test_large_amounts_keep_their_digits():
    frame = panel(gaps=0.1)
    far = frame.assign(y=frame["y"] + 1e8)
    for cluster in (None, "branch"):
        one = did(frame, "y", "customer_id", "t", "first", cluster).group_time
        two = did(far, "y", "customer_id", "t", "first", cluster).group_time
        np.testing.assert_allclose(two["estimate"], one["estimate"], atol=1e-6)
        np.testing.assert_allclose(two["se"], one["se"], rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    by_unit=st.integers(-100, 100),
    by_period=st.lists(st.integers(-100, 100), min_size=5, max_size=5),
    factor=st.sampled_from([-2.0, 0.5, 3.0]),
)
def test_only_differences_of_changes_count(by_unit, by_period, factor):
    frame = panel(gaps=0.1)
    shift = by_unit * (frame["customer_id"] % 7) + np.array(by_period)[frame["t"] - 1]
    moved = did(
        frame.assign(y=factor * frame["y"] + shift), "y", "customer_id", "t", "first", "branch"
    ).group_time
    found = did(frame, "y", "customer_id", "t", "first", "branch").group_time
    np.testing.assert_allclose(moved["estimate"], factor * found["estimate"], atol=1e-9)
    np.testing.assert_allclose(moved["se"], abs(factor) * found["se"], rtol=1e-8)
    np.testing.assert_allclose(moved["p"], found["p"], rtol=1e-7)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda f: f.drop(columns="y"), "column y missing"),
        (lambda f: f.rename(columns={"first": "frist"}), "Rename 'frist' to 'first'"),
        (lambda f: pd.concat([f, f.head(2)]), "one row a period"),
        (
            lambda f: f.assign(first=f["first"].where(f["t"] != 2, 5)),
            "first treated once",
        ),
        (
            lambda f: f.assign(first=f["first"].where(f["t"] != 2)),
            "first treated once",
        ),
        (lambda f: f.assign(branch=f["branch"].where(f["t"] != 2, "B999")), "one cluster"),
        (lambda f: f.assign(branch=f["branch"].where(f["t"] != 2)), "its unit and cluster"),
        (lambda f: f.assign(t=f["t"].where(f["t"] != 2)), "has its period"),
        (lambda f: f.assign(t=f["t"] + 0.5), "has its period"),
        (lambda f: f.assign(t=f["t"].astype(str)), "a whole number or a date"),
        (lambda f: f.assign(first=pd.Timestamp(2024, 1, 1)), "both dates, or both whole"),
        (lambda f: f.assign(y=f["y"].astype(str)), "numbers or flags"),
        (lambda f: f.assign(y=np.inf), "finite"),
        (lambda f: f.assign(y=np.nan), "2 to 240 periods"),
        (lambda f: f.head(0), "2 to 240 periods"),
        (lambda f: f[f["t"] == 3], "2 to 240 periods"),
        (lambda f: f.assign(first=0), "first treated within the panel"),
        (lambda f: f.assign(first=99), "first treated within the panel"),
        (lambda f: f.assign(first=1), "first treated within the panel"),
        (lambda f: f.head(5), "first treated within the panel"),
    ],
)
def test_bad_tables_are_refused(change, rule):
    with pytest.raises(TableError, match=rule):
        did(change(panel()), "y", "customer_id", "t", "first", "branch")


def test_nulls_are_dropped_and_counted():
    frame = panel(gaps=0.0)
    frame.loc[frame.index[::7], "y"] = np.nan
    found = did(frame, "y", "customer_id", "t", "first", "branch")
    wanted = did(frame.dropna(subset="y"), "y", "customer_id", "t", "first", "branch")
    assert found.counts["rows_dropped"].item() == frame["y"].isna().sum()
    pd.testing.assert_frame_equal(found.group_time, wanted.group_time)


def test_null_0_and_infinity_are_never_and_the_future_is_not_yet():
    frame = panel(gaps=0.0)
    wanted = did(frame, "y", "customer_id", "t", "first").group_time
    for never in (np.nan, np.inf, 17.0):
        other = frame.assign(first=frame["first"].astype(float).replace(0.0, never))
        pd.testing.assert_frame_equal(
            did(other, "y", "customer_id", "t", "first").group_time, wanted, rtol=1e-9
        )


@pytest.mark.parametrize(
    "wrong",
    [{"control": "none"}, {"base": "long"}, {"anticipation": -1}, {"alpha": 5}],
)
def test_unknown_choices_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        did(panel(), "y", "customer_id", "t", "first", **wrong)


def test_hostile_text_is_only_text():
    frame = panel(gaps=0.0)
    frame["branch"] = "'; DROP TABLE x; -- 网点\n" + frame["branch"]
    frame = frame.rename(columns={"y": 'y"; --', "t": "cluster", "first": "n", "branch": "first"})
    found = did(frame, 'y"; --', "customer_id", "cluster", "n", "first")
    wanted = did(panel(gaps=0.0), "y", "customer_id", "t", "first", "branch")
    pd.testing.assert_frame_equal(found.group_time, wanted.group_time)
