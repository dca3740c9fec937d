"""Dormancy: each definition against a slow count by hand, its edges, and what cannot be known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.customers.dates import month_end, months_before
from segmentation.customers.dormancies import STATES
from segmentation.customers.intervals import wilson
from segmentation.customers.members import as_day, completed_months
from segmentation.data.engines import collect, enter

DAY = "2025-12-31"
PASSIVE = ("interest", "fee", "judicial")


def customers(*ids: str, **columns: Any) -> pd.DataFrame:
    base = {"customer_id": list(ids), "kind": "personal", "branch_id": "B1"}
    return pd.DataFrame(base | {"opened_on": pd.Timestamp("2015-03-01")} | columns)


def small(
    moves: list[tuple[str, str, str]],
    balances: list[tuple[str, str, float]],
    people: pd.DataFrame | None = None,
    month: str = "2025-12-01",
    begin: str = "2019-05-20",
    **tables: Any,
) -> seg.Bank:
    """A bank of a few customers, and one, Z, whose movement says how far the table reaches back."""
    ids = sorted({row[0] for row in balances})
    held = pd.DataFrame(balances, columns=["customer_id", "product", "end"])
    rows = pd.DataFrame([*moves, ("Z", begin, "deposit")], columns=["customer_id", "date", "kind"])
    return seg.Bank(
        customers=customers(*ids) if people is None else people,
        balances=held.assign(month=pd.Timestamp(month)),
        transactions=rows.assign(date=pd.to_datetime(rows["date"]), channel=None, amount=1.0),
        **tables,
    )


def states(bank: seg.Bank, rule: Any = "cib", as_of: Any = DAY, **options: Any) -> dict[str, str]:
    found = to_pandas(seg.dormancy(bank, rule, as_of, **options))
    assert (found["dormant"] == (found["state"] == "dormant")).all()
    return dict(zip(found["customer_id"], found["state"], strict=True))


# --- definitions ---------------------------------------------------------------------------------


def test_definitions_that_ship() -> None:
    rules = {rule.name: rule for rule in seg.dormancy_rules()}
    assert len([r for r in rules.values() if "personal" in r.kinds]) >= 5
    assert all(r.zh and r.en and r.source and r.not_activity == PASSIVE for r in rules.values())
    cib, six = rules["cib"], rules["six_months"]
    assert (cib.months, cib.max_balance, cib.inclusive) == (12, 10, True)
    assert set(cib.exempt) == {"loan", "fund", "wealth"}
    assert (six.months, six.max_balance, six.inclusive) == (6, 100, False)
    assert (rules["two_years"].months, rules["two_years"].max_balance) == (24, 50)
    assert (rules["yuanan"].months, rules["yuanan"].max_balance) == (36, 100)
    assert rules["corporate"].max_balance is None
    assert rules["corporate"].kinds == ("corporate",)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("months = 0", "whole number from 1"),
        ("months = 1.5", "whole number from 1"),
        ("months = true", "whole number from 1"),
        ("months = 6\nmax_balance = -1", "amount of 0 or more"),
        ("months = 6\nmax_balance = nan", "amount of 0 or more"),
        ('months = 6\nmax_balance = "ten"', "has zh, en, source"),
        ('months = 6\nexempt = ["loans"]', "products of the contract"),
        ('months = 6\nexempt = "loan"', "has zh, en, source"),
        ('months = 6\nproducts = ["loan"]', "assets"),
        ("months = 6\nexempt_under = -1", "years"),
        ('months = 6\nkinds = ["people"]', "kinds"),
    ],
)
def test_a_broken_definition_is_refused(tmp_path: Path, text: str, match: str) -> None:
    kinds = "" if "kinds" in text else 'kinds = ["personal"]\n'
    head = '[mine]\nzh = "我"\nen = "mine"\nsource = "own"\n'
    (tmp_path / "dormancy.toml").write_text(head + kinds + text, "utf-8")
    with pytest.raises(seg.TableError, match=match):
        seg.dormancy_rule("mine", tmp_path)


def test_a_bank_brings_its_own_definition(tmp_path: Path) -> None:
    text = """[mine]
    zh = "我"
    en = "mine"
    source = "own"
    kinds = ["personal"]
    months = 3
    not_activity = ["interest", "transfer_in"]"""
    (tmp_path / "dormancy.toml").write_text(text, "utf-8")
    moves = [("A", "2025-12-01", "transfer_in"), ("B", "2025-12-01", "fee")]
    bank = small(moves, [("A", "demand", 5e6), ("B", "demand", 0.0)], rules=tmp_path)
    assert states(bank, "mine") == {"A": "dormant", "B": "active"}
    with pytest.raises(seg.TableError, match="no such definition") as error:
        seg.dormancy(bank, "cbi")
    assert "cib" in str(error.value)


# --- edges ---------------------------------------------------------------------------------------


def test_the_limit_is_in_or_out_as_the_definition_says() -> None:
    held = [("A", "demand", 10.0), ("B", "demand", 10.004), ("C", "demand", 10.01)]
    assert states(small([], held)) == {"A": "dormant", "B": "dormant", "C": "balance"}
    held = [("A", "demand", 99.99), ("B", "demand", 100.0)]
    assert states(small([], held), "six_months") == {"A": "dormant", "B": "balance"}
    assert states(small([], held), "cib_before") == {"A": "dormant", "B": "dormant"}


def test_balances_of_products_are_summed() -> None:
    held = [("A", "demand", 6.0), ("A", "term", 6.0), ("B", "demand", 6.0), ("B", "term", 4.0)]
    assert states(small([], held)) == {"A": "balance", "B": "dormant"}


def test_twelve_months_are_completed_on_the_day() -> None:
    moves = [("A", "2024-12-31", "deposit"), ("B", "2025-01-01", "deposit")]
    bank = small(moves, [("A", "demand", 0.0), ("B", "demand", 0.0)])
    assert states(bank) == {"A": "dormant", "B": "active"}
    moves = [("A", "2025-01-15", "deposit"), ("B", "2025-01-16", "deposit")]
    bank = small(moves, [("A", "demand", 0.0), ("B", "demand", 0.0)])
    assert states(bank, as_of="2026-01-15") == {"A": "dormant", "B": "active"}


@pytest.mark.parametrize("kind", [*PASSIVE, "deposit", "salary", None])
def test_only_the_customer_wakes_the_account(kind: Any) -> None:
    bank = small([("A", "2025-11-05", kind)], [("A", "demand", 1.0)])
    assert states(bank) == {"A": "dormant" if kind in PASSIVE else "active"}


def test_movements_after_the_day_are_not_looked_at() -> None:
    held = [("A", "demand", 1.0)]
    bank = small([("A", "2026-01-03", "deposit")], held)
    assert states(bank) == {"A": "dormant"}
    later = pd.DataFrame({"customer_id": ["A"], "product": "demand", "end": 9e5})
    both = pd.concat([to_pandas(bank.balances), later.assign(month=pd.Timestamp("2026-01-01"))])
    bank = seg.Bank(customers=customers("A"), balances=both, transactions=bank.transactions)
    assert states(bank) == {"A": "dormant"}
    assert states(bank, as_of="2026-01") == {"A": "active"}


@pytest.mark.parametrize("product", ["loan", "fund", "wealth", "card", "insurance"])
def test_products_that_exempt(product: str) -> None:
    bank = small([], [("A", "demand", 0.0), ("A", product, 1.0)])
    exempt = product in ("loan", "fund", "wealth")
    assert states(bank) == {"A": "exempt" if exempt else "dormant"}


def test_an_open_loan_exempts_where_the_definition_says_so() -> None:
    loans = pd.DataFrame(
        {
            "loan_id": ["L1", "L2", "L3"],
            "customer_id": ["A", "B", "C"],
            "branch_id": "B1",
            "amount": 1e4,
            "drawn_on": pd.to_datetime(["2020-01-01", "2020-01-01", "2026-01-01"]),
            "repaid_on": pd.to_datetime([None, "2025-12-31", None]),
        }
    )
    held = [(name, "demand", 0.0) for name in "ABC"]
    bank = small([], held, loans=loans)
    assert states(bank) == {"A": "exempt", "B": "dormant", "C": "dormant"}
    assert set(states(bank, "six_months").values()) == {"dormant"}


def test_the_young_are_not_asleep() -> None:
    opened = pd.to_datetime(["2024-12-31", "2025-01-01", "2026-01-01", None])
    people = customers("A", "B", "C", "D", opened_on=opened)
    held = [(name, "demand", 0.0) for name in "ABCD"]
    assert states(small([], held, people)) == {"A": "dormant", "B": "young", "D": "dormant"}
    # a customer whom the table reports as idle since before the account was opened is young too
    moves = [("B", "2021-01-01", "deposit")]
    assert states(small(moves, held, people))["B"] == "young"


def test_the_age_under_which_nobody_sleeps() -> None:
    births = pd.to_datetime(["2007-12-31", "2008-01-01", None])
    people = customers("A", "B", "C", birth_date=births)
    rule = replace(seg.dormancy_rule("cib"), exempt_under=18)
    bank = small([], [(name, "demand", 0.0) for name in "ABC"], people)
    assert states(bank, rule) == {"A": "dormant", "B": "exempt", "C": "dormant"}


def test_who_has_closed_or_is_of_another_kind_is_not_there() -> None:
    closed = pd.to_datetime(["2025-12-31", "2026-01-01", None, None])
    people = customers(
        "A", "B", "C", "A", closed_on=closed, kind=["personal"] * 2 + ["corporate", "personal"]
    )
    bank = small([], [(name, "demand", 0.0) for name in "ABC"], people.iloc[:3])
    assert states(bank) == {"B": "dormant"}
    assert states(bank, "corporate") == {"C": "dormant"}
    assert (
        len(to_pandas(seg.dormancy(small([], [("A", "demand", 0.0)], people[3:]), "corporate")))
        == 0
    )


def test_a_customer_there_twice_is_one() -> None:
    people = pd.concat([customers("A"), customers("A")], ignore_index=True)
    assert states(small([], [("A", "demand", 0.0)], people)) == {"A": "dormant"}


def test_a_customer_without_balances_has_none() -> None:
    people = customers("A", "B")
    assert states(small([], [("A", "demand", 0.0)], people)) == {"A": "dormant", "B": "dormant"}


@pytest.mark.parametrize("amount", [None, np.nan])
def test_an_unknown_balance_makes_nobody_dormant(amount: Any) -> None:
    held = [("A", "demand", amount), ("B", "demand", amount), ("C", "demand", 0.0)]
    bank = small([("B", "2025-12-01", "deposit")], held)
    assert states(bank) == {"A": "unknown", "B": "active", "C": "dormant"}
    found = to_pandas(seg.dormancy(bank)).set_index("customer_id")
    assert np.isnan(found.loc["A", "balance"])


# --- how far the tables reach --------------------------------------------------------------------


def test_what_the_tables_cannot_tell_is_unknown_and_never_dormant() -> None:
    moves = [("B", "2025-12-01", "deposit")]
    held = [("A", "demand", 0.0), ("B", "demand", 0.0), ("C", "demand", 500.0)]
    people = customers("A", "B", "C", "D", opened_on=pd.to_datetime(["2015-01-01"] * 3 + [DAY]))
    bank = small(moves, [*held, ("D", "demand", 0.0)], people, begin="2025-01-17")
    exact = {"B": "active", "C": "balance", "D": "young"}
    assert states(bank) == exact | {"A": "dormant"}  # from January 2025 on: twelve months
    assert states(bank, "yuanan") == exact | {"A": "unknown"}
    assert states(bank, since="2025-02-01") == exact | {"A": "unknown"}
    assert states(bank, "yuanan", since="2023-01-01") == exact | {"A": "dormant"}
    idle = to_pandas(seg.dormancy(bank)).set_index("customer_id")["months_idle"]
    assert idle.to_dict() == {"A": 12, "B": 0, "C": 12, "D": 0}


def test_without_any_movement_nothing_is_known() -> None:
    bank = small([], [("A", "demand", 0.0), ("B", "demand", 11.0)])
    none = bank.transactions.iloc[:0]
    bank = seg.Bank(customers=bank.customers, balances=bank.balances, transactions=none)
    assert states(bank) == {"A": "unknown", "B": "balance"}
    table = seg.dormancy_table(bank, DAY, ["cib"])
    assert table["share"].isna().all()
    assert table["unknown"].tolist() == [1]


def test_a_share_of_which_part_is_unknown_has_bounds_only() -> None:
    held = [(f"C{n}", "demand", 0.0) for n in range(20)]
    moves = [(f"C{n}", "2025-06-01", "deposit") for n in range(12)]
    row = seg.dormancy_table(small(moves, held, begin="2025-03-01"), DAY, ["cib"]).iloc[0]
    assert (row["customers"], row["dormant"], row["unknown"]) == (20, 0, 8)
    assert np.isnan(row["share"])
    assert np.isnan(row["balance"])
    assert row["low"] == pytest.approx(wilson(0, 20)[0])
    assert row["high"] == pytest.approx(wilson(8, 20)[1])


def test_transactions_without_kinds_are_all_active() -> None:
    bank = small([("A", "2025-12-01", "interest")], [("A", "demand", 0.0)])
    plain = bank.transactions.drop(columns="kind")
    bank = seg.Bank(customers=bank.customers, balances=bank.balances, transactions=plain)
    assert states(bank) == {"A": "active"}


# --- days ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "as_of",
    [
        *("2025-12", "2025-12-01", "2025-12-31", dt.date(2025, 12, 1), dt.date(2025, 12, 31)),
        *(pd.Timestamp("2025-12-31"), pd.Period("2025-12", "M"), None),
    ],
)
def test_a_month_is_its_last_day(as_of: Any) -> None:
    bank = small([], [("A", "demand", 0.0)])
    assert as_day(bank, as_of) == dt.date(2025, 12, 31)
    assert states(bank, as_of=as_of) == {"A": "dormant"}


@pytest.mark.parametrize("as_of", ["2026-02", "2025-11-30", "2025-12-30", "1999-01-01"])
def test_a_month_without_balances_is_refused(as_of: str) -> None:
    with pytest.raises(seg.TableError, match="2025-12 to 2025-12"):
        seg.dormancy(small([], [("A", "demand", 0.0)]), "cib", as_of)


@pytest.mark.parametrize("as_of", ["yesterday", "2025-02-30", 20251231, "2025-13"])
def test_no_day_is_refused(as_of: Any) -> None:
    with pytest.raises(seg.TableError):
        seg.dormancy(small([], [("A", "demand", 0.0)]), "cib", as_of)


@settings(max_examples=150, deadline=None)
@given(
    st.dates(dt.date(2015, 1, 1), dt.date(2026, 12, 31)),
    st.dates(dt.date(2020, 1, 1), dt.date(2026, 12, 31)),
)
def test_months_are_completed_by_the_calendar(since: dt.date, until: dt.date) -> None:
    lazy = enter(pd.DataFrame({"day": [pd.Timestamp(since)]}))
    found = int(collect(lazy.select(m=completed_months(nw.col("day"), until)))["m"].iloc[0])

    def back(months: int) -> dt.date:
        first = months_before(until, months)
        end = month_end(first)
        return end if until == month_end(until) else first.replace(day=min(until.day, end.day))

    assert since <= back(found)
    assert since > back(found + 1)


# --- missing and hostile -------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["customers", "balances", "transactions"])
def test_a_missing_table_is_named(table: str) -> None:
    bank = small([], [("A", "demand", 0.0)])
    rest = {name: getattr(bank, name) for name in bank.tables if name != table}
    with pytest.raises(seg.MissingTable, match=table):
        seg.dormancy(seg.Bank(**rest), "cib", DAY)


def test_a_misspelt_column_is_named() -> None:
    bank = small([], [("A", "demand", 0.0)])
    with pytest.raises(seg.TableError, match="branch_id"):
        seg.dormancy_table(bank, DAY, by="branch_ids")
    with pytest.raises(seg.TableError, match="one column more"):
        seg.dormancy_table(bank, DAY, by=pd.DataFrame({"customer_id": ["A"]}))
    with pytest.raises(seg.TableError, match="each once"):
        seg.dormancy_table(bank, DAY, ["cib", "cib"])
    with pytest.raises(seg.TableError, match="one or more"):
        seg.dormancy_table(bank, DAY, [])


def test_errors_hold_no_value_of_a_customer() -> None:
    hostile = "'; DROP TABLE customers; --"
    bank = small([], [(hostile, "demand", 0.0), ("{x}", "demand", 0.0)])
    assert set(states(bank)) == {hostile, "{x}"}
    with pytest.raises(seg.TableError) as error:
        seg.dormancy(bank, "cib", "2030-01")
    assert hostile not in str(error.value)


def test_no_customer_and_one() -> None:
    bank = small([], [("A", "demand", 0.0)])
    empty = seg.Bank(
        customers=bank.customers.iloc[:0], balances=bank.balances, transactions=bank.transactions
    )
    assert states(empty) == {}
    assert seg.dormancy_table(empty, DAY).empty
    assert seg.dormancy_overlap(empty, DAY).empty
    one = seg.dormancy_table(bank, DAY, ["cib"]).iloc[0]
    assert (one["customers"], one["dormant"], one["share"]) == (1, 1, 1.0)
    assert 0 < one["low"] < one["high"] == 1


# --- by hand, on every engine --------------------------------------------------------------------


def tables(seed: int = 5, n: int = 60) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    ids = [f"C{i:02d}" for i in range(n)]
    opened = pd.Timestamp("2019-01-01") + pd.to_timedelta(rng.integers(0, 2540, n), unit="D")
    people = pd.DataFrame(
        {
            "customer_id": ids,
            "kind": rng.choice(["personal", "corporate"], n, p=[0.8, 0.2]),
            "branch_id": rng.choice(["B1", "B2"], n),
            "opened_on": opened,
            "closed_on": [pd.NaT if rng.random() < 0.9 else pd.Timestamp("2025-10-02")] * n,
            "birth_date": pd.Timestamp("1950-01-01")
            + pd.to_timedelta(rng.integers(0, 2e4, n), "D"),
        }
    )
    products = ["demand", "term", "wealth", "loan", "card"]
    balances = [
        (unit, product, round(float(rng.choice([0, 5, 10, 49.99, 50, 99.995, 100, 5000])), 3))
        for unit in ids
        for product in rng.choice(products, rng.integers(0, 3), replace=False)
    ]
    held = pd.DataFrame(balances, columns=["customer_id", "product", "end"])
    k = 3 * n
    moves = pd.DataFrame(
        {
            "customer_id": rng.choice(ids[: n // 2], k),
            "date": pd.Timestamp("2023-06-01") + pd.to_timedelta(rng.integers(0, 950, k), unit="D"),
            "channel": "counter",
            "kind": rng.choice(["deposit", "interest", "fee", "transfer_in"], k),
            "amount": 1.0,
        }
    )
    return {
        "customers": people,
        "balances": held.assign(month=pd.Timestamp("2025-12-01")),
        "transactions": moves,
        "customer_branches": pd.DataFrame(
            {
                "customer_id": [ids[0], ids[0], ids[1]],
                "branch_id": ["B7", "B8", "B9"],
                "from_date": pd.to_datetime(["2020-01-01", "2025-11-01", "2026-01-01"]),
            }
        ),
    }


def by_hand(tables: dict[str, pd.DataFrame], rule: seg.DormancyRule) -> dict[str, str]:
    """The state of each customer, one at a time."""
    day, found = pd.Timestamp(DAY), {}
    moves, begin = tables["transactions"], tables["transactions"]["date"].min().replace(day=1)
    border = day - pd.DateOffset(months=rule.months)  # the last day that is long enough ago
    for person in tables["customers"].itertuples():
        if person.kind not in rule.kinds or person.opened_on > day or person.closed_on <= day:
            continue
        mine = moves[(moves["customer_id"] == person.customer_id) & (moves["date"] <= day)]
        mine = mine[~mine["kind"].isin(PASSIVE)]
        held = tables["balances"][tables["balances"]["customer_id"] == person.customer_id]
        assets = held[~held["product"].isin(["loan", "card"])]["end"].sum()
        balance = np.floor(assets * 100 + 0.5) / 100
        exempt = (held["product"].isin(rule.exempt) & (held["end"] > 0)).any()
        limit = np.inf if rule.max_balance is None else rule.max_balance
        if len(mine) and mine["date"].max() > border:
            state = "active"
        elif person.opened_on > border:
            state = "young"
        elif balance > limit or (balance == limit and not rule.inclusive):
            state = "balance"
        elif exempt:
            state = "exempt"
        elif len(mine) or begin <= border + pd.Timedelta(days=1) or person.opened_on >= begin:
            state = "dormant"
        else:
            state = "unknown"
        found[person.customer_id] = state
    return found


def test_every_engine_agrees_with_a_count_by_hand(to_engine: Callable[[Any], Any]) -> None:
    plain = tables()
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in plain.items()})
    counts: dict[str, int] = dict.fromkeys(STATES, 0)
    judged = {}
    for rule in seg.dormancy_rules():
        judged[rule.name] = states(bank, rule.name)
        assert judged[rule.name] == by_hand(plain, rule), rule.name
        for state in judged[rule.name].values():
            counts[state] += 1
    assert all(counts.values()), counts  # each state is tried
    branch = to_pandas(seg.dormancy(bank, "six_months")).set_index("customer_id")["branch_id"]
    moved = {c: b for c, b in branch.items() if c in ("C00", "C01")}
    assert moved.get("C00", "B8") == "B8"
    assert moved.get("C01") != "B9"
    table = seg.dormancy_table(bank, DAY).set_index("rule")
    for name, found in judged.items():
        assert table.loc[name, "customers"] == len(found)
        assert table.loc[name, "dormant"] == sum(s == "dormant" for s in found.values())
    overlap = seg.dormancy_overlap(bank, DAY).set_index(["rule", "other"])
    one, two = judged["cib"], judged["cib_before"]
    sets = [{c for c, s in found.items() if s == "dormant"} for found in (one, two)]
    row = overlap.loc[("cib", "cib_before")]
    assert (row["both"], row["only_rule"], row["only_other"]) == (
        len(sets[0] & sets[1]),
        len(sets[0] - sets[1]),
        len(sets[1] - sets[0]),
    )
    assert row["share"] == pytest.approx(len(sets[0] & sets[1]) / len(sets[0] | sets[1]))
    assert ("cib", "corporate") not in overlap.index


def test_groups_add_up(to_engine: Callable[[Any], Any]) -> None:
    plain = tables()
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in plain.items()})
    whole = seg.dormancy_table(bank, DAY, ["six_months"]).iloc[0]
    cause = plain["customers"][["customer_id"]].assign(cause="x").head(20)
    for by, column in (
        ("branch_id", "branch_id"),
        ("silver_50", "cohort"),
        (to_engine(cause), "cause"),
    ):
        parts = seg.dormancy_table(bank, DAY, ["six_months"], by)
        assert len(parts) == parts[column].nunique() > 1
        for name in ("customers", "dormant", "unknown"):
            assert parts[name].sum() == whole[name]
        assert parts["balance"].sum() == pytest.approx(whole["balance"])
    assert set(parts["cause"]) == {"x", "unknown"}


# --- planted truth -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> seg.Bank:
    return seg.simulate_bank(11, branches=3, customers=2000, months=24)


def test_each_definition_finds_sleepers_only_and_some_of_them(network: seg.Bank) -> None:
    asleep = network.truth["customers"].set_index("customer_id")["asleep"]
    recall = {}
    for rule in ("cib", "cib_before", "six_months", "two_years", "corporate"):
        found = seg.dormancy(network, rule)
        truth = asleep.reindex(found["customer_id"]).to_numpy()
        flagged = found["dormant"].to_numpy()
        # a firm of few movements may be idle for a year by chance
        assert truth[flagged].mean() > (0.7 if rule == "corporate" else 0.99), rule  # precision
        recall[rule] = flagged[truth].mean()
    assert recall["cib"] < 0.6 < 0.8 < recall["cib_before"] <= recall["six_months"]
    table = seg.dormancy_table(network).set_index("rule")
    assert 0.30 < table.loc["six_months", "share"] < 0.50
    assert table.loc["six_months", "high"] > table.loc["six_months", "share"] + 0.01
    assert table.loc["cib", "high"] < table.loc["six_months", "low"]  # the definition decides
    assert table.loc["yuanan", "unknown"] > 0  # three years from two years of movements
    assert np.isnan(table.loc["yuanan", "share"])


@pytest.mark.data
def test_berka_has_hardly_a_sleeper(real_data: Path) -> None:
    bank = seg.read_berka(real_data / "berka")
    table = seg.dormancy_table(bank, "1998-12").set_index("rule")
    assert (table["customers"] == 4500).all()  # owners of accounts, all of them personal
    assert table["unknown"].sum() == 0
    assert (table["dormant"] <= 5).all()
