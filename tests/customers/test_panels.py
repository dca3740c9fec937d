"""The monthly panel against a slow count by hand, on every engine, and no yuan lost."""

import calendar
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.customers.dates import completed_years, days_since

ASSETS = {"demand", "term", "wealth", "fund", "insurance", "metal"}
COST = {"counter": 4.7, "device": 1.6, "atm": 1.8, "mobile": 1.0, "web": 1.0, "pos": 1.0}
DEBTS = {"loan", "card"}
LAST = dt.date(2024, 6, 30)


def tables(seed=3, n=24):
    """Seven months of a small bank: closed and doubled customers, and one that nobody knows."""
    rng = np.random.default_rng(seed)
    ids = [f"C{i:02d}" for i in range(n)]
    closed = pd.Series(pd.NaT, index=range(n))
    closed[3], closed[4], closed[5] = pd.to_datetime(["2024-03-31", "2024-06-30", "2024-07-01"])
    days = rng.integers(0, 3400, n)
    customers = pd.DataFrame(
        {
            "customer_id": ids,
            "kind": rng.choice(["personal", "corporate"], n),
            "branch_id": rng.choice(["B1", "B2"], n),
            "opened_on": pd.Timestamp("2015-03-01") + pd.to_timedelta(days, unit="D"),
            "closed_on": closed.to_numpy(),
            "birth_date": pd.Timestamp("1950-01-01") + pd.to_timedelta(days * 5, unit="D"),
            "household_id": [f"H{i // 4}" if i % 2 else None for i in range(n)],
        }
    )
    customers.loc[6, "opened_on"] = pd.Timestamp("2024-07-01")  # holds money before it opens
    customers.loc[7, ["opened_on", "birth_date"]] = pd.Timestamp("2020-02-29")
    months = pd.date_range("2023-12-01", periods=7, freq="MS")
    rows = [
        (unit, month, product, *np.round(rng.lognormal(7, 2, 2), 2))
        for unit in [*ids, "X9"]
        for month in months
        for product in rng.choice(sorted(ASSETS | DEBTS), rng.integers(0, 4), replace=False)
        if unit not in ("C03", "C04") or month < pd.Timestamp("2024-06-01")
    ]
    balances = pd.DataFrame(rows, columns=["customer_id", "month", "product", "average", "end"])
    k = 40 * n
    transactions = pd.DataFrame(
        {
            "customer_id": rng.choice(ids[:-2], k),
            "date": pd.Timestamp("2023-02-01") + pd.to_timedelta(rng.integers(0, 560, k), unit="D"),
            "channel": rng.choice(["counter", "mobile", "web", "atm", None], k),
            "kind": rng.choice(["deposit", "payment", "fee", "interest", "judicial"], k),
            "amount": np.round(rng.normal(0, 1000, k), 2),
        }
    )
    rates = pd.DataFrame(
        [
            ("demand", None, 0.001, 0.012),
            ("term", None, 0.013, 0.02),
            ("term", "3Y", 0.02, 0.021),
            ("wealth", "3M", 0.02, 0.024),
            ("wealth", "6M", 0.022, 0.028),
            ("loan", None, 0.05, 0.022),
            ("card", None, 0.12, 0.02),
            ("fund", None, 0.0, 0.006),
            ("insurance", None, 0.0, 0.01),
        ],
        columns=["product", "term", "paid", "transfer"],
    )
    branches = pd.DataFrame(
        {
            "customer_id": ids[:8] * 3,
            "branch_id": rng.choice(["B1", "B2", "B3"], 24),
            "from_date": pd.to_datetime(
                ["2015-01-01"] * 8 + ["2024-06-30"] * 8 + ["2024-07-01"] * 8
            ),
        }
    )
    return {
        "customers": pd.concat([customers, customers.head(2)], ignore_index=True),
        "balances": balances,
        "transactions": transactions,
        "rates": rates.assign(month=pd.Timestamp("2024-06-01")),
        "customer_branches": branches,
    }


def by_hand(of):
    """The panel of June 2024, a customer at a time."""
    customers = of["customers"].drop_duplicates("customer_id").set_index("customer_id")
    rates = {"demand": 0.011, "term": 0.007, "wealth": 0.005, "fund": 0.006, "insurance": 0.01}
    rates |= {"loan": 0.028, "card": 0.1}
    rows = []
    for unit in sorted({*customers.index, *of["balances"]["customer_id"]}):
        held = of["balances"][of["balances"]["customer_id"] == unit]
        june = held[held["month"] == "2024-06-01"]
        asset = june[june["product"].isin(ASSETS)]
        debt = june[june["product"].isin(DEBTS)]
        known = unit in customers.index
        trait = customers.loc[unit] if known else {}
        gone = known and (
            trait["opened_on"].date() > LAST
            or (pd.notna(trait["closed_on"]) and trait["closed_on"].date() <= LAST)
        )
        if (gone or not known) and june.empty:
            continue

        def to_date(start, held=held):
            part = held[(held["month"] >= start) & (held["month"] <= "2024-06-01")]
            part = part[part["product"].isin(ASSETS)]
            days = [calendar.monthrange(m.year, m.month)[1] for m in part["month"]]
            return (part["average"] * days).sum() / ((LAST - dt.date.fromisoformat(start)).days + 1)

        moves = of["transactions"]
        moves = moves[(moves["customer_id"] == unit) & (moves["date"] <= pd.Timestamp(LAST))]
        active = moves[~moves["kind"].isin(["interest", "fee", "judicial"])]
        now = active[active["date"] >= "2024-06-01"]
        year = active[active["date"] >= "2023-07-01"]
        fees = -moves[(moves["date"] >= "2024-06-01") & (moves["kind"] == "fee")]["amount"].sum()
        priced = set(june["product"]) <= set(rates)
        margin = sum(
            rates.get(p, 0) * a * 30 / 365
            for p, a in zip(june["product"], june["average"], strict=True)
        )
        cost = sum(COST.get(channel, 0) for channel in now["channel"])
        places = of["customer_branches"]
        places = places[
            (places["customer_id"] == unit) & (places["from_date"] <= pd.Timestamp(LAST))
        ]
        branch = places.sort_values("from_date")["branch_id"].iloc[-1] if len(places) else None
        rows.append(
            {
                "customer_id": unit,
                "month": pd.Timestamp("2024-06-01"),
                "kind": trait["kind"] if known else None,
                "branch_id": branch or (trait["branch_id"] if known else None),
                "household_id": trait["household_id"] if known else None,
                "aum_average": asset["average"].sum(),
                "aum_end": asset["end"].sum(),
                "aum_quarter": to_date("2024-04-01"),
                "aum_year": to_date("2024-01-01"),
                "debt": debt["average"].sum(),
                "products": len(june),
                "contribution": margin + fees - cost if priced else np.nan,
                "transactions": len(now),
                "digital_share": now["channel"].isin(["mobile", "web"]).mean()
                if len(now)
                else None,
                "recency_days": (pd.Timestamp(LAST) - active["date"].max()).days
                if len(active)
                else None,
                "frequency": len(year),
                "monetary": year["amount"].abs().sum(),
                "tenure_years": years(trait["opened_on"]) if known else None,
                "age": years(trait["birth_date"]) if known else None,
            }
        )
    return pd.DataFrame(rows)


def years(since):
    """Completed years on 30 June 2024, by counting the anniversaries."""
    since = since.date()
    if since > LAST:
        return None
    return LAST.year - since.year - ((since.month, since.day) > (LAST.month, LAST.day))


def bank(of, to_engine=lambda frame: frame, **others):
    return seg.Bank(**{name: to_engine(frame) for name, frame in of.items()}, **others)


def in_june(of, panel):
    """Movements in June 2024 of the customers of a panel."""
    june = of["transactions"]["date"].between("2024-06-01", "2024-06-30")
    known = of["transactions"]["customer_id"].isin(panel["customer_id"])
    return of["transactions"][june & known]


def tidy(panel, unit="customer_id"):
    return to_pandas(panel).sort_values(unit, ignore_index=True)


def same(panel, expected):
    pd.testing.assert_frame_equal(
        panel.astype(object).where(panel.notna(), None).infer_objects(),
        expected.astype(object).where(expected.notna(), None).infer_objects(),
        check_dtype=False,
        rtol=1e-9,
        atol=0.00501,  # money is to the cent
    )


def test_every_engine_counts_as_by_hand(to_engine):
    of = tables()
    panel = tidy(seg.monthly_panel(bank(of, to_engine), "2024-06"))
    same(panel, by_hand(of))
    assert "X9" in set(panel["customer_id"])
    assert {"C03", "C04"}.isdisjoint(panel["customer_id"])
    assert panel["contribution"].isna().any()
    assert panel["contribution"].notna().any()


def test_engines_agree_to_the_bit_of_a_cent(to_engine):
    of = tables(seed=8)
    reference = tidy(seg.monthly_panel(bank(of), "2024-06"))
    panel = tidy(seg.monthly_panel(bank(of, to_engine), "2024-06"))
    pd.testing.assert_frame_equal(panel, reference, check_dtype=False, rtol=1e-9, atol=0)


def test_a_quotient_between_two_cents_rounds_up(to_engine):
    """31·a + 29·b is 91 more than a multiple of the 182 days to date: half a cent is left over."""
    rng = np.random.default_rng(9)
    parts = rng.integers(1, 10**7, (40_000, 5))
    total = parts[:, :3].sum(axis=1) * 31 + parts[:, 3:].sum(axis=1) * 29
    parts, total = parts[total % 182 == 91], total[total % 182 == 91]
    assert len(parts) > 100
    ids = [f"C{i:04d}" for i in range(len(parts))]
    products = ["demand", "term", "fund", "demand", "term"]
    months = pd.to_datetime(["2024-01-01"] * 3 + ["2024-02-01"] * 2)
    balances = pd.DataFrame(
        {
            "customer_id": np.repeat(ids, 5),
            "month": np.tile(months, len(ids)),
            "product": np.tile(products, len(ids)),
            "average": parts.ravel() / 100,
        }
    )
    now = balances[balances["month"] == "2024-01-01"].assign(month=pd.Timestamp("2024-06-01"))
    now["average"] = 0.0
    customers = pd.DataFrame({"customer_id": ids, "kind": "personal", "branch_id": "B1"})
    customers["opened_on"] = pd.Timestamp("2020-01-01")
    of = {"customers": customers, "balances": pd.concat([balances, now], ignore_index=True)}
    panel = tidy(seg.monthly_panel(bank(of, to_engine), "2024-06"))
    assert (panel["aum_year"] * 100).round().astype(int).tolist() == (total // 182 + 1).tolist()


def test_households_are_sums_of_their_members(to_engine):
    of = tables()
    panel = by_hand(of)
    own = "customer:" + panel["customer_id"]
    panel["household_id"] = panel["household_id"].where(panel["household_id"].notna(), own)
    panel = panel.sort_values("aum_average", ascending=False)
    groups = panel.groupby("household_id")
    found = tidy(seg.monthly_panel(bank(of, to_engine), "2024-06", "household_id"), "household_id")
    found = found.set_index("household_id")
    for name in ("aum_average", "aum_year", "debt", "products", "transactions", "monetary"):
        np.testing.assert_allclose(found[name], groups[name].sum()[found.index], atol=0.02)
    assert (found["members"] == groups.size()[found.index]).all()
    for name, how in {"age": "max", "tenure_years": "max", "recency_days": "min"}.items():
        expected = groups[name].agg(how)[found.index].astype(float)
        pd.testing.assert_series_equal(found[name].astype(float), expected, check_names=False)
    expected = groups["branch_id"].agg(lambda branch: branch.iloc[0])[found.index]
    assert (found["branch_id"].fillna("") == expected.fillna("")).all()
    broken = groups["contribution"].agg(lambda value: value.isna().any())[found.index]
    assert (found["contribution"].isna() == broken).all()
    digital = (panel["digital_share"].astype(float) * panel["transactions"]).fillna(0)
    share = digital.groupby(panel["household_id"]).sum() / groups["transactions"].sum()
    np.testing.assert_allclose(found["digital_share"].astype(float), share[found.index])


def test_several_months_are_single_months(to_engine):
    one = bank(tables(), to_engine)
    both = to_pandas(seg.monthly_panels(one, ["2024-06", "2024-05", dt.date(2024, 6, 1)]))
    assert both["month"].is_monotonic_increasing
    for month in ("2024-05", "2024-06"):
        part = both[both["month"] == month].sort_values("customer_id", ignore_index=True)
        pd.testing.assert_frame_equal(part, tidy(seg.monthly_panel(one, month)), check_dtype=False)


@pytest.mark.parametrize("kind", ["personal", "corporate"])
def test_only_customers_of_a_kind(kind):
    whole = tidy(seg.monthly_panel(bank(tables()), "2024-06"))
    part = tidy(seg.monthly_panel(bank(tables()), "2024-06", kind=kind))
    expected = whole[whole["kind"] == kind].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, expected, check_dtype=False)
    assert len(part) < len(whole)
    several = seg.monthly_panels(bank(tables()), ["2024-06"], kind=kind)
    pd.testing.assert_frame_equal(tidy(several), part)


def test_an_unknown_kind_of_customer_is_refused():
    with pytest.raises(seg.TableError, match="personal or corporate"):
        seg.monthly_panel(bank(tables()), "2024-06", kind="Personal")


def test_kind_of_frame_is_the_banks(to_engine):
    of = tables()
    frame = to_engine(of["customers"])
    assert type(seg.monthly_panel(bank(of, to_engine), "2024-06")) is type(frame)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["C1", "C2", "C3", "orphan"]),
            st.sampled_from(["2024-01-01", "2024-02-01", "2024-03-01"]),
            st.sampled_from([*sorted(ASSETS), "loan"]),
            st.integers(0, 10**9),
        ),
        min_size=1,
        max_size=30,
    ),
    st.lists(st.sampled_from(["C1", "C2", "C3"]), min_size=1, max_size=5),
)
def test_no_yuan_is_lost(rows, known):
    balances = pd.DataFrame(rows, columns=["customer_id", "month", "product", "cents"])
    balances["month"] = pd.to_datetime(balances["month"])
    balances["average"] = balances["cents"] / 100
    customers = pd.DataFrame({"customer_id": known, "kind": "personal", "branch_id": "B1"})
    customers["opened_on"] = pd.Timestamp("2020-01-01")
    customers["closed_on"] = pd.Timestamp("2024-01-15")
    one = seg.Bank(customers=customers, balances=balances.drop(columns="cents"))
    for month in one.months:
        panel = seg.monthly_panel(one, month)
        now = balances[balances["month"] == pd.Timestamp(month)]
        asset = now["product"] != "loan"
        assert round(panel["aum_average"].sum() * 100) == now.loc[asset, "cents"].sum()
        assert round(panel["debt"].sum() * 100) == now.loc[~asset, "cents"].sum()
        assert panel["customer_id"].is_unique
        assert panel["products"].sum() == (now["cents"] > 0).sum()


def test_a_month_may_be_written_in_many_ways():
    one = bank(tables())
    expected = seg.monthly_panel(one, "2024-06")
    for month in (
        *(dt.date(2024, 6, 30), dt.datetime(2024, 6, 3, 12), pd.Timestamp("2024-06-09")),
        *(pd.Period("2024-06", "M"), "2024-06-30", " 2024-6 "),
    ):
        assert len(seg.monthly_panel(one, month)) == len(expected)


@pytest.mark.parametrize("month", ["June", "2024-13", "2024", 202406, None, pd.NaT, "2024-06-"])
def test_what_is_no_month_is_refused(month):
    with pytest.raises(seg.TableError, match="month"):
        seg.monthly_panel(bank(tables()), month)


@pytest.mark.parametrize("month", ["2024-07", "2023-11", "1900-01"])
def test_a_month_without_balances_is_refused(month):
    with pytest.raises(seg.TableError, match="2023-12 to 2024-06"):
        seg.monthly_panel(bank(tables()), month)


def test_empty_balances_are_refused():
    of = tables()
    with pytest.raises(seg.TableError, match="no month at all"):
        seg.monthly_panel(bank({**of, "balances": of["balances"].head(0)}), "2024-06")


def test_no_months_are_refused():
    with pytest.raises(seg.TableError, match="at least one"):
        seg.monthly_panels(bank(tables()), [])


def test_unit_and_its_column_must_be_there():
    of = tables()
    with pytest.raises(seg.TableError, match="unit"):
        seg.monthly_panel(bank(of), "2024-06", "branch_id")
    without = {**of, "customers": of["customers"].drop(columns="household_id")}
    with pytest.raises(seg.TableError, match="household_id"):
        seg.monthly_panel(bank(without), "2024-06", "household_id")


def test_tables_must_be_there():
    of = tables()
    with pytest.raises(seg.MissingTable, match="balances"):
        seg.monthly_panel(bank({"customers": of["customers"]}), "2024-06")
    with pytest.raises(seg.MissingTable, match="customers"):
        seg.monthly_panel(bank({"balances": of["balances"]}), "2024-06")


def test_columns_without_source_are_absent():
    of = tables()
    few = bank({name: of[name] for name in ("customers", "balances")})
    assert list(seg.monthly_panel(few, "2024-06").columns) == [
        *("customer_id", "month", "kind", "branch_id", "household_id"),
        *("aum_average", "aum_end", "aum_quarter", "aum_year", "debt", "products"),
        *("tenure_years", "age"),
    ]
    household = seg.monthly_panel(few, "2024-06", "household_id")
    assert "members" in household
    assert {"contribution", "transactions", "recency_days"}.isdisjoint(household.columns)
    czech = bank(of, currency="CZK")
    assert "contribution" not in seg.monthly_panel(czech, "2024-06")
    nameless = bank({**of, "customers": of["customers"].drop(columns=["birth_date", "closed_on"])})
    panel = seg.monthly_panel(nameless, "2024-06")
    assert "age" not in panel
    assert {"C03", "C04"} <= set(panel["customer_id"])


def test_a_bank_with_one_kind_of_balance():
    of = tables()
    last = bank({**of, "balances": of["balances"].drop(columns="average")})
    whole = tidy(seg.monthly_panel(bank(of), "2024-06"))
    ended = tidy(seg.monthly_panel(last, "2024-06"))
    assert ended["aum_average"].tolist() == whole["aum_end"].tolist()
    assert ended["aum_end"].tolist() == whole["aum_end"].tolist()
    average = bank({**of, "balances": of["balances"].drop(columns="end")})
    averaged = tidy(seg.monthly_panel(average, "2024-06"))
    assert averaged["aum_average"].tolist() == whole["aum_average"].tolist()
    assert "aum_end" not in averaged


def test_no_kinds_of_transactions_and_no_terms_of_rates():
    of = tables()
    plain = bank(
        {
            **of,
            "transactions": of["transactions"].drop(columns="kind"),
            "rates": of["rates"].dropna(subset="transfer").drop(columns="term"),
        }
    )
    panel = seg.monthly_panel(plain, "2024-06")
    assert panel["transactions"].sum() == len(in_june(of, panel))
    assert panel["contribution"].notna().any()


def test_nulls_and_nan_count_nothing():
    of = tables()
    holed = of["balances"].copy()
    june = holed["month"] == "2024-06-01"
    holed.loc[june & (holed["customer_id"] == "C00"), ["average", "end"]] = np.nan
    panel = seg.monthly_panel(bank({**of, "balances": holed}), "2024-06").set_index("customer_id")
    assert panel.loc["C00", ["aum_average", "aum_end", "products"]].tolist() == [0, 0, 0]
    assert panel["aum_average"].notna().all()


def test_balances_of_nobody_are_one_row():
    of = tables()
    nobody = of["balances"].copy()
    nobody.loc[nobody["customer_id"] == "X9", "customer_id"] = None
    panel = seg.monthly_panel(bank({**of, "balances": nobody}), "2024-06")
    assert panel["customer_id"].isna().sum() == 1
    whole = seg.monthly_panel(bank(of), "2024-06")
    assert panel["aum_average"].sum() == pytest.approx(whole["aum_average"].sum(), rel=1e-12)


def test_hostile_names_pass_through():
    of = tables()
    ugly = {"C00": "'); DROP TABLE x; --", "C01": '"', "C02": "客户\n一"}
    hostile = {name: of[name].replace({"customer_id": ugly}) for name in of}
    panel = seg.monthly_panel(bank(hostile), "2024-06")
    assert set(ugly.values()) <= set(panel["customer_id"])
    assert len(panel) == len(seg.monthly_panel(bank(of), "2024-06"))


def test_a_banks_own_rule_of_activity(tmp_path):
    (tmp_path / "activity.toml").write_text(
        '[activity]\nnot_activity = ["payment"]\ndigital = ["atm"]\n', "utf-8"
    )
    of = tables()
    own = tidy(seg.monthly_panel(bank(of, rules=tmp_path), "2024-06"))
    june = in_june(of, own)
    active = june[june["kind"] != "payment"]
    assert own["transactions"].sum() == len(active)
    digital = (own["digital_share"] * own["transactions"]).sum()
    assert round(digital) == (active["channel"] == "atm").sum()
    (tmp_path / "activity.toml").write_text("[activity]\ndigital = 3\n", "utf-8")
    with pytest.raises(seg.TableError, match=r"activity\.toml"):
        seg.monthly_panel(bank(of, rules=tmp_path), "2024-06")
    (tmp_path / "activity.toml").write_text(
        "[activity]\nnot_activity = []\ndigital = []\n"
        '[contribution]\ncurrency = "CNY"\nfees = []\ndays = 0\ncost = {}\n',
        "utf-8",
    )
    with pytest.raises(seg.TableError, match="days above 0"):
        seg.monthly_panel(bank(of, rules=tmp_path), "2024-06")


def test_days_and_years_follow_the_calendar(to_engine):
    days = pd.to_datetime(
        ["2000-02-29", "2001-02-28", "2001-03-01", "1900-01-01", "2023-02-28", "2023-03-01", None]
    )
    until = dt.date(2023, 2, 28)
    frame = to_engine(pd.DataFrame({"day": days, "order": range(7)}))
    lazy = seg.data.engines.enter(frame)
    import narwhals.stable.v2 as nw

    day = nw.col("day").cast(nw.Date)
    lazy = lazy.with_columns(y=completed_years(day, until), d=days_since(day, until))
    found = seg.data.engines.collect(lazy).sort_values("order")
    assert found["y"].fillna(-1).tolist() == [22, 22, 21, 123, 0, -1, -1]
    expected = [(until - d.date()).days for d in days[:-1]]
    assert found["d"].tolist()[:-1] == expected
    assert pd.isna(found["d"].iloc[-1])
