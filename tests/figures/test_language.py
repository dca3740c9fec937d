"""Messages in the language of the moment, and the labels of columns and categories."""

from __future__ import annotations

import pytest

from segmentation.data.contract import TABLES
from segmentation.figures.labels import CATEGORIES, COLUMNS, label
from segmentation.figures.language import N_, _, current_language, translator


def test_the_language_is_looked_up_at_each_call(monkeypatch):
    translate = translator()
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "en")
    assert translate("Share of customers") == _("Share of customers") == "Share of customers"
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    assert translate("Share of customers") == _("Share of customers") == "客户占比"


def test_a_given_language_does_not_follow_the_environment(monkeypatch):
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    assert translator("en")("Share of customers") == "Share of customers"


def test_english_when_nothing_is_set(monkeypatch):
    monkeypatch.delenv("SEGMENTATION_LANGUAGE", raising=False)
    assert current_language() == "en"


def test_a_message_that_the_catalogue_lacks_stays_as_it_is():
    assert translator("zh_CN")("no such message") == "no such message"
    assert translator("zh_CN")("") == ""
    assert N_("as it is") == "as it is"


@pytest.mark.parametrize("language", ["de", "zh", "../secrets", "EN"])
def test_an_unknown_language_is_named_as_such(language, monkeypatch):
    with pytest.raises(ValueError, match=r"Choose one of en, zh_CN"):
        translator(language)
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", language)
    with pytest.raises(ValueError, match="SEGMENTATION_LANGUAGE"):
        _("Share of customers")


def test_tiers_take_their_names_from_the_rules(monkeypatch):
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    tiers = ("Basic", "Active", "Quality", "Wealth", "Affluent", "Private")
    chinese = ["基础", "有效", "优质", "财富", "高净值", "私行"]
    assert [label(tier) for tier in tiers] == chinese
    assert label("Affluent and above") == "高净值及以上"
    assert label("Basic to Quality") == "基础至优质"


def test_a_banks_own_rules_name_its_tiers(monkeypatch, tmp_path):
    (tmp_path / "tiers.toml").write_text(
        '[ours]\nen = "Ours"\nzh = "本行"\n[[ours.tiers]]\nen = "Jade"\nzh = "翡翠"\nfrom = 0\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("SEGMENTATION_RULES", str(tmp_path))
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    assert label("Jade") == "翡翠"


def test_a_product_is_not_taken_for_the_column_or_the_tier_of_its_name(monkeypatch):
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    assert (label("term"), label("term", "column")) == ("定期存款", "期限")
    assert (label("wealth"), label("Wealth")) == ("理财", "财富")
    assert label("penetration_fund", "column") == "基金持有率"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_and_closed_value_of_the_contract_has_a_chinese_label(table, monkeypatch):
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    for column in table.columns.values():
        assert any("一" <= c <= "鿿" for c in label(column.name, "column")), column.name
    known = {"R1", "R2", "R3", "R4", "R5", "atm", "pos"}
    loans = {"normal", "special_mention", "substandard", "doubtful", "loss"}
    units = {"customer", "branch", "level", "increment", "flow"}
    for column in table.columns.values():
        for value in set(column.values) - known - loans - units:
            assert any("一" <= c <= "鿿" for c in label(value, column.name)), value


def test_every_label_is_translated():
    chinese = translator("zh_CN")
    same = {text for text in (*COLUMNS.values(), *CATEGORIES.values()) if chinese(text) == text}
    assert same <= {"AUM", "ATM", "POS"}


def test_an_unknown_name_is_tidied_and_a_hostile_one_left_alone():
    assert label("next_best_offer") == "Next best offer"
    assert label("<script>alert(1)</script>") == "<script>alert(1)</script>"
    assert label("B001") == "B001"
