"""The long tail: by hand, on every engine; its flags against what was planted; its shares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

import segmentation as seg
from segmentation.customers.alerts import FLAGS, flag_rules
from segmentation.customers.intervals import wilson

LAST = "2025-12"
PASSIVE = ("interest", "fee", "judicial")


def firms(*ids: str, **columns: Any) -> pd.DataFrame:
    base = {"customer_id": list(ids), "kind": "corporate", "branch_id": "B1"}
    return pd.DataFrame(base | {"opened_on": pd.Timestamp("2015-03-01")} | columns)


def moves(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Movements: customer, day, amount, and if it matters kind and counterparty."""
    whole = [(*row, *(("transfer_in", "P1")[len(row) - 3 :])) for row in rows]
    columns = ["customer_id", "date", "amount", "kind", "counterparty"]
    table = pd.DataFrame(whole, columns=columns)
    return table.assign(date=pd.to_datetime(table["date"]), channel="web")


def held(*rows: tuple[str, float], months: int = 12, product: str = "demand") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["customer_id", "average"])
    when = pd.DataFrame({"month": pd.date_range(end="2025-12-01", periods=months, freq="MS")})
    return frame.merge(when, how="cross").assign(product=product)


START = ("Z", "2022-01-03", 1.0)
"""Says that the table of movements reaches back."""


def tail(
    people: pd.DataFrame, balances: pd.DataFrame, rows: pd.DataFrame, rule: str = "corporate"
) -> pd.DataFrame:
    bank = seg.Bank(customers=people, balances=balances, transactions=rows)
    found = to_pandas(seg.long_tail(bank, rule, LAST)).set_index("customer_id")
    return found.sort_index()


# --- rules ---------------------------------------------------------------------------------------


def test_rules_that_ship() -> None:
    for name in ("corporate", "corporate_quantile", "personal", "personal_quantile"):
        rule = seg.long_tail_rule(name)
        assert rule.zh
        assert rule.source
        assert rule.kinds == (name.partition("_")[0],)
    with pytest.raises(seg.TableError, match="no such rule"):
        seg.long_tail_rule("flags")
    assert set(flag_rules()) == set(FLAGS)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("months = 12", "condition"),
        ("months = 0\nbalance = { below = 1 }", "months"),
        ("months = 12\nbalance = { below = -1 }", "below an amount"),
        ("months = 12\nbalance = { quantile = 1.2 }", "quantile"),
        ("months = 12\nbalance = { above = 1 }", "below an amount"),
        ("months = 12\nbalance = { below = 1, quantile = 0.5 }", "Complete"),
        ("months = 12\nbalance = 5", "Complete"),
        ('months = 12\nbalance = { below = 1 }\nproducts = ["loan"]', "assets"),
    ],
)
def test_a_broken_rule_is_refused(tmp_path: Path, text: str, match: str) -> None:
    head = '[mine]\nzh = "我"\nen = "mine"\nsource = "own"\nkinds = ["corporate"]\n'
    (tmp_path / "long_tail.toml").write_text(head + text, "utf-8")
    with pytest.raises(seg.TableError, match=match):
        seg.long_tail_rule("mine", tmp_path)


def test_broken_flags_are_refused(tmp_path: Path) -> None:
    text = "[flags]\nrevived = { quiet = 6.5, recent = 3, movements = 6 }"
    (tmp_path / "long_tail.toml").write_text(text, "utf-8")
    with pytest.raises(seg.TableError, match="all their limits"):
        flag_rules(tmp_path)


# --- conditions ----------------------------------------------------------------------------------


def test_both_conditions_must_hold_and_a_limit_is_outside() -> None:
    days = pd.date_range("2025-01-01", periods=48, freq="7D").astype(str)
    often = [(name, day, 10.0) for name in "BC" for day in days]
    rows = moves(START, *often[:-1], ("A", "2025-05-05", -3e6))
    balances = held(("A", 49_999.99), ("B", 100.0), ("C", 100.0), ("D", 50_000.0), ("E", 0.0))
    found = tail(firms(*"ABCDEF"), balances, rows)
    assert found["movements"].to_dict() == {"A": 0.08, "B": 4, "C": 3.92, "D": 0, "E": 0, "F": 0}
    expected = {"A": True, "B": False, "C": True, "D": False, "E": True, "F": True}
    assert found["long_tail"].to_dict() == expected
    assert found["turnover"].to_dict()["A"] == 250_000
    assert found["balance"].tolist()[:4] == [49_999.99, 100, 100, 50_000]


def test_balances_are_daily_averages_of_the_rules_products() -> None:
    one = held(("A", 31.0), months=1)
    two = held(("A", 28.0)).assign(product="term")
    two = two[two["month"] == pd.Timestamp("2025-02-01")]
    other = held(("A", 1e6), product="fund")
    found = tail(firms("A"), pd.concat([one, two, other, held(("Y", 1.0))]), moves(START))
    assert found.loc["A", "balance"] == round((31 * 31 + 28 * 28) / 365, 2)


def test_a_young_customer_is_measured_since_the_opening() -> None:
    opened = pd.to_datetime(["2025-11-20", "2025-01-01", "2024-12-31", None])
    people = firms("A", "B", "C", "D", opened_on=opened)
    balances = pd.concat([held(("A", 60_000.0), months=2), held(("B", 1.0))])
    rows = moves(START, *(("A", f"2025-12-{day:02}", 1.0) for day in range(1, 11)))
    found = tail(people, balances, rows)
    assert found["months"].tolist() == [2, 12, 12, 12]
    assert found.loc["A", "balance"] == 60_000
    assert found.loc["A", "movements"] == 5
    assert not found.loc["A", "long_tail"]


def test_a_table_that_begins_later_shortens_the_months() -> None:
    rows = moves(("B", "2025-07-20", 1.0), ("A", "2025-12-01", 1.0))
    found = tail(firms("A", "B"), held(("A", 100.0)), rows)
    assert found["months"].tolist() == [6, 6]
    assert found["movements"].tolist() == [0.17, 0.17]
    assert found.loc["A", "balance"] == 100
    assert "revived" not in found  # nine months are not there to tell


def test_movements_of_the_bank_do_not_count() -> None:
    rows = moves(START, *(("A", "2025-03-01", 5.0, kind) for kind in (*PASSIVE, "deposit")))
    assert tail(firms("A"), held(("A", 1.0)), rows).loc["A", "movements"] == 0.08


def test_equal_customers_are_in_the_tail_together() -> None:
    rows = moves(START, *(("A", f"2025-0{month}-01", 1.0) for month in range(1, 7)))
    found = tail(firms(*"ABCDEF"), held(("A", 1.0)), rows, "corporate_quantile")
    assert found["long_tail"].tolist() == [False, *[True] * 5]  # five tie at nothing: not half
    same = tail(firms(*"ABC"), held(("A", 7.1), ("B", 7.1), ("C", 7.1)), rows[:1], "corporate")
    assert same["long_tail"].all()


def test_zero_balances_one_customer_and_none() -> None:
    found = tail(firms("A"), held(("A", 0.0)), moves(START), "corporate_quantile")
    assert found["long_tail"].tolist() == [True]
    none = tail(firms("A", kind="personal"), held(("A", 0.0)), moves(START), "corporate_quantile")
    assert none.empty
    with pytest.raises(seg.TableError, match="there is a customer"):
        seg.long_tail_table(none)
    with pytest.raises(seg.TableError, match="there is a customer"):
        seg.risk_flags(none)


def test_missing_is_named() -> None:
    people, balances, rows = firms("A"), held(("A", 0.0)), moves(START)
    with pytest.raises(seg.MissingTable, match="transactions"):
        seg.long_tail(seg.Bank(customers=people, balances=balances), "corporate", LAST)
    bank = seg.Bank(customers=people, balances=balances, transactions=rows)
    with pytest.raises(seg.TableError, match="2025-01 to 2025-12"):
        seg.long_tail(bank, "corporate", "2026-03")
    with pytest.raises(seg.TableError, match="no such rule"):
        seg.long_tail(bank, "corporat")
    late = seg.Bank(customers=people, balances=balances, transactions=rows[:0])
    with pytest.raises(seg.TableError, match="movements up to as_of"):
        seg.long_tail(late, "corporate", LAST)
    with pytest.raises(seg.TableError, match="turnover"):
        seg.long_tail_table(pd.DataFrame({"long_tail": [True], "balance": [1.0], "movements": 1}))
    with pytest.raises(seg.TableError, match="there is a flag"):
        seg.risk_flags(pd.DataFrame({"long_tail": [True]}))


# --- flags ---------------------------------------------------------------------------------------


def test_a_sudden_revival_needs_silence_before_it() -> None:
    late = [f"2025-{month}-{day:02}" for month in (10, 11, 12) for day in (5, 9)]
    rows = [(name, day, 1.0) for name in "ABCD" for day in late]
    rows = [*rows, ("B", "2025-04-01", 1.0), ("C", "2025-03-31", 1.0)]
    rows = [*rows, ("D", "2025-04-05", 1.0, "interest"), *(("E", day, 1.0) for day in late[:5])]
    opened = pd.to_datetime(["2015-01-01"] * 5 + ["2025-09-30"])
    rows += [("F", day, 1.0) for day in late]
    people = firms(*"ABCDEF", opened_on=opened)
    found = tail(people, held(("A", 0.0)), moves(START, *rows))
    expected = {"A": True, "B": False, "C": True, "D": True, "E": False, "F": False}
    assert found["revived"].to_dict() == expected


def test_money_that_passes_through_the_same_day() -> None:
    days = ("2025-03-03", "2025-05-05", "2025-07-07")
    rows = [(name, day, amount) for name in "ABC" for day in days for amount in (600.0, 400.0)]
    rows += [("A", day, -950.0) for day in days]  # 5 % stays: within
    rows += [("B", day, -949.99) for day in days]
    rows += [("C", day.replace("-0", "-1", 1).replace("-1", "-0", 1), -1000.0) for day in days[:2]]
    rows += [("D", day, 100.0) for day in days] + [("D", day, -100.0) for day in days]
    rows += [("D", "2025-08-08", 300.01)]  # most of the money stays
    found = tail(firms(*"ABCD"), held(("A", 0.0)), moves(START, *rows))
    expected = {"A": True, "B": False, "C": False, "D": False}
    assert found["pass_through"].to_dict() == expected


def test_one_counterparty_is_most_of_the_money() -> None:
    day = "2025-06-01"
    one = [(name, day, 100.0, "transfer_in", "X") for name in "ABC" for _ in range(5)]
    last = [("A", day, -25.0, "transfer_out", "Y"), ("B", day, -30.0, "transfer_out", "Y")]
    rows = [*one, *last, ("C", day, 25.0, "transfer_in", None)]
    found = tail(firms(*"ABC"), held(("A", 0.0)), moves(START, *rows))
    assert found["single_counterparty"].to_dict() == {"A": True, "B": False, "C": False}
    rows = moves(START, *rows).drop(columns="counterparty")
    assert "single_counterparty" not in tail(firms("A"), held(("A", 0.0)), rows)


# --- by hand, on every engine --------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> seg.Bank:
    return seg.simulate_bank(31, branches=3, customers=9000, months=20)


def test_every_engine_agrees_with_a_count_by_hand(
    network: seg.Bank, to_engine: Callable[[Any], Any]
) -> None:
    kinds = network.customers.groupby("kind")["customer_id"]
    ids = pd.concat([kinds.get_group("corporate").head(80), kinds.get_group("personal").head(60)])
    plain = {
        name: getattr(network, name)[lambda t: t["customer_id"].isin(ids)]
        for name in ("customers", "balances", "transactions")
    } | {"rates": network.rates}
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in plain.items()})
    for rule in ("corporate", "personal_quantile"):
        found = to_pandas(seg.long_tail(bank, rule)).set_index("customer_id").sort_index()
        open_ = plain["customers"].set_index("customer_id")
        open_ = open_[open_["closed_on"].isna() | (open_["closed_on"] > "2025-12-31")]
        mine = open_[open_["kind"] == rule.partition("_")[0]].sort_index()
        assert found.index.tolist() == mine.index.tolist()
        start = mine["opened_on"].dt.to_period("M").clip(pd.Period("2025-01"))
        months = (pd.Period("2025-12") - start).map(lambda gap: gap.n + 1)
        days = (pd.Timestamp("2025-12-31") - start.dt.start_time).dt.days + 1
        rows = plain["transactions"]
        rows = rows[(rows["date"] >= "2025-01-01") & ~rows["kind"].isin(PASSIVE)]
        by = rows.groupby("customer_id")["amount"]
        number = by.size().reindex(mine.index).fillna(0) / months
        turnover = by.agg(lambda a: a.abs().sum()).reindex(mine.index).fillna(0) / months
        cash = plain["balances"][plain["balances"]["month"] >= "2025-01-01"]
        products = {"corporate": ["demand", "term"]}.get(rule, [])
        products = products or ["demand", "term", "wealth", "fund", "insurance", "metal"]
        cash = cash[cash["product"].isin(products)]
        weighted = cash["average"] * cash["month"].dt.days_in_month
        balance = weighted.groupby(cash["customer_id"]).sum().reindex(mine.index).fillna(0) / days
        np.testing.assert_array_equal(found["months"], months)
        np.testing.assert_allclose(found["movements"], number, atol=0.0051)
        np.testing.assert_allclose(found["turnover"], turnover, atol=0.0051)
        np.testing.assert_allclose(found["balance"], balance, atol=0.0051)
        if rule == "corporate":
            expected = (found["balance"] < 50_000) & (found["movements"] < 4)
        else:
            top = found[["balance", "movements"]].quantile(0.8) + 1e-9
            expected = (found["balance"] <= top.iloc[0]) & (found["movements"] <= top.iloc[1])
        assert (found["long_tail"] == expected).all()
        assert 0 < expected.mean() < 1
        panel = to_pandas(seg.monthly_panel(bank, LAST)).set_index("customer_id")
        np.testing.assert_allclose(
            found["contribution"], panel["contribution"].reindex(found.index), atol=1e-9
        )
    for name in FLAGS:
        one, two = (to_pandas(seg.long_tail(b))[name].sum() for b in (bank, seg.Bank(**plain)))
        assert one == two


def test_what_was_planted_is_flagged(network: seg.Bank) -> None:
    found = seg.long_tail(network).set_index("customer_id")
    kind = network.truth["customers"].set_index("customer_id")["archetype"].reindex(found.index)
    asleep = network.truth["customers"].set_index("customer_id")["asleep"].reindex(found.index)
    for flag, name in (("revived", "revived"), ("pass_through", "pass-through")):
        planted = (kind == name) & (~asleep | (name == "revived"))
        planted &= found["opened_on"] < "2025-04-01"
        assert planted.any()
        assert found.loc[planted, flag].mean() > 0.7, flag
        assert found.loc[kind != name, flag].mean() < 0.03, flag
    single = (kind == "single counterparty") & (found["movements"] >= 1)
    assert found.loc[single, "single_counterparty"].mean() > 0.7
    assert found.loc[kind == "regular", "single_counterparty"].mean() < 0.05
    tailed = found["long_tail"].groupby(kind).mean()
    assert tailed["long tail"] > tailed["regular"]


@pytest.mark.data
def test_berka_has_no_firms_and_a_personal_tail(real_data: Path) -> None:
    bank = seg.read_berka(real_data / "berka")
    assert len(to_pandas(seg.long_tail(bank, "corporate"))) == 0
    found = to_pandas(seg.long_tail(bank, "personal_quantile", "1998-12"))
    assert len(found) == 4500
    assert "contribution" not in found
    assert 0.6 < found["long_tail"].mean() < 0.85
    assert found["movements"].between(0, 30).all()


# --- shares --------------------------------------------------------------------------------------


def test_shares_of_heads_and_money(network: seg.Bank, to_engine: Callable[[Any], Any]) -> None:
    found = seg.long_tail(network)
    frame = to_engine(found)
    table = seg.long_tail_table(frame)
    assert table["long_tail"].tolist() == [True, False]
    inside = found[found["long_tail"]]
    row = table.iloc[0]
    assert row["customers"] == len(inside)
    assert row["customer_share"] == pytest.approx(len(inside) / len(found))
    ends = wilson(len(inside), len(found))
    assert (row["customer_share_low"], row["customer_share_high"]) == pytest.approx(ends)
    for name in ("balance", "turnover", "movements"):
        total = found[name].sum()
        assert row[f"{name}_share"] == pytest.approx(inside[name].sum() / total)
        share = row[f"{name}_share"]
        influence = found[name] / total * (found["long_tail"] - share)
        reach = 1.959964 * np.sqrt((influence**2).sum()) / (share * (1 - share))
        odds = np.log(share / (1 - share)) + np.array([-reach, reach])
        found_ends = row[f"{name}_share_low"], row[f"{name}_share_high"]
        assert found_ends == pytest.approx(tuple(1 / (1 + np.exp(-odds))), abs=1e-6)
    parts = seg.long_tail_table(frame, "branch_id")
    assert parts["customers"].sum() == len(found)
    assert parts.groupby("branch_id")["balance_share"].sum().tolist() == pytest.approx([1, 1, 1])
    flags = seg.risk_flags(frame, "long_tail").set_index(["flag", "long_tail"])
    for (flag, inside_tail), row in flags.iterrows():
        names = list(FLAGS) if flag == "any" else [flag]
        mine = found[found["long_tail"] == inside_tail][names].any(axis=1)
        assert (row["customers"], row["count"]) == (len(mine), mine.sum())
        assert (row["low"], row["high"]) == pytest.approx(wilson(mine.sum(), len(mine)))


def test_shares_of_nothing_are_unknown() -> None:
    data = pd.DataFrame(
        {"long_tail": [True, True], "balance": 0.0, "turnover": 0.0, "movements": 0}
    )
    table = seg.long_tail_table(data)
    assert table["customer_share"].tolist() == [1]
    assert (
        table[["balance_share", "turnover_share_low", "movements_share_high"]].isna().all(axis=None)
    )


def missed(runs: int, seed: int) -> float:
    """Share of runs whose interval misses the tail's share of the money of all such customers."""
    rng, n = np.random.default_rng(seed), 300
    inside = rng.random((runs, n)) < 0.6
    money = rng.gamma(1.0, 1.0, (runs, n)) * np.where(inside, 1.0, 10.0)
    data = pd.DataFrame(
        {
            "long_tail": inside.ravel(),
            "balance": money.ravel(),
            "turnover": 1.0,
            "movements": 1.0,
            "run": np.repeat(np.arange(runs), n),
        }
    )
    table = seg.long_tail_table(data, "run")
    table = table[table["long_tail"]]
    truth = 0.6 / (0.6 + 4.0)
    assert len(table) == runs
    out = (table["balance_share_low"] > truth) | (table["balance_share_high"] < truth)
    return float(out.mean())


def test_intervals_of_money_miss_as_often_as_they_say() -> None:
    assert 0.02 <= missed(400, 3) <= 0.0875


@pytest.mark.calibrate
def test_intervals_of_money_miss_as_often_as_they_say_in_many_runs() -> None:
    assert 0.040 <= missed(4000, 4) <= 0.065


def test_a_tail_that_has_nothing_or_all() -> None:
    data = pd.DataFrame({"long_tail": [True] * 3 + [False] * 5, "turnover": 1.0, "movements": 1.0})
    data["balance"] = [0.0] * 3 + [10.0] * 5
    table = seg.long_tail_table(data)
    assert table["balance_share"].tolist() == [0, 1]
    assert table["balance_share_low"].iloc[0] == pytest.approx(0, abs=1e-12)
    assert table["balance_share_high"].iloc[0] == pytest.approx(wilson(0, 5)[1])
    assert table["balance_share_low"].iloc[1] == pytest.approx(wilson(5, 5)[0])
