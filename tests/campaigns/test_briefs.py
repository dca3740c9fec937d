"""The brief of a campaign comes from the bank's tables and rules."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

import segmentation as seg


def bank(**changes):
    campaigns = pd.DataFrame(
        {
            "campaign_id": ["A", "B", "C"],
            "unit": ["customer", "customer", "branch"],
            "assigned_on": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-01"]),
            "starts_on": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-01"]),
            "ends_on": pd.to_datetime(["2024-01-31", "2024-03-31", "2024-01-31"]),
        }
    )
    return seg.Bank(
        customers=pd.DataFrame(
            {
                "customer_id": ["1"],
                "kind": ["personal"],
                "branch_id": ["B1"],
                "opened_on": pd.to_datetime(["2020-01-01"]),
            }
        ),
        balances=pd.DataFrame(
            {
                "customer_id": ["1", "1"],
                "month": pd.to_datetime(["2024-01-01", "2024-02-01"]),
                "product": ["demand", "demand"],
                "end": [1.0, 2.0],
            }
        ),
        campaigns=campaigns.assign(**changes),
        assignments=pd.DataFrame(
            {"campaign_id": ["A"], "customer_id": ["1"], "arm": ["x"], "share": [0.5]}
        ),
    )


def test_the_latest_campaign_that_has_ended_is_taken_and_defaults_fill_the_rest():
    brief = seg.campaign_brief(bank())
    assert brief.campaign_id == "A"  # B ends after the last month
    assert brief.name == "A"
    assert brief.question == ("A", "aum", dt.date(2024, 1, 1), dt.date(2024, 1, 31))
    assert (brief.cost, brief.fixed, brief.kind) == (0.0, 0.0, "money")


def test_costs_and_names_come_from_the_table():
    brief = seg.campaign_brief(bank(name="calls", cost_per_contact=8.0, fixed_cost=100.0))
    assert (brief.name, brief.cost, brief.fixed) == ("calls", 8.0, 100.0)


def test_the_branch_campaign_is_another():
    assert seg.campaign_brief(bank(), "branch").campaign_id == "C"


def test_no_campaign_is_said():
    later = bank(ends_on=pd.to_datetime(["2030-01-31"] * 3))
    with pytest.raises(seg.MissingTable, match="no campaign by customer has ended"):
        seg.campaign_brief(later)
    with pytest.raises(seg.TableError, match="customer or branch"):
        seg.campaign_brief(bank(), "village")


def test_a_bank_has_its_own_rules(tmp_path, monkeypatch):
    rule = '[A]\noutcome = "aum >= 5"\nmargin = 2\ncontrol = "x"\nbefore = ["age"]\n'
    (tmp_path / "campaigns.toml").write_text(rule, "utf-8")
    monkeypatch.setenv("SEGMENTATION_RULES", str(tmp_path))
    brief = seg.campaign_brief(bank())
    assert (brief.kind, brief.margin, brief.control, brief.before) == (
        "percent",
        2.0,
        "x",
        ("age",),
    )
    (tmp_path / "campaigns.toml").write_text('[A]\nmargin = "much"\n', "utf-8")
    with pytest.raises(seg.TableError, match="margin a number"):
        seg.campaign_brief(bank())
