"""Amounts in which one or two contributors stand out, by ACRO's rules and defaults."""

import pandas as pd
import pytest

from civicml.datasets.dominance import amount_table
from civicml.datasets.suppression import suppress_amounts
from civicml.errors import CivicmlError


def spending():
    cells = {
        ("North", "a"): [10.0] * 12,  # safe
        ("North", "b"): [10.0] * 9,  # under the threshold of ten
        ("South", "a"): [500.0, 460.0] + [5.0] * 10,  # two have 95%; 50 is left, a tenth of the largest
        ("South", "b"): [500.0, 60.0] + [4.5] * 10,  # two have 93%; 45 is left, less than a tenth
    }
    return pd.DataFrame(
        [(region, kind, amount) for (region, kind), amounts in cells.items() for amount in amounts],
        columns=["region", "kind", "spent"],
    )


def test_cells_are_unsafe_by_threshold_dominance_and_p_percent():
    table = amount_table(spending(), ["region", "kind"], "spent").set_index(["region", "kind"])
    assert len(table) == 9
    rules = table[["under_threshold", "dominated", "p_unsafe", "unsafe"]]
    assert rules.loc[("North", "a")].to_list() == [False, False, False, False]
    assert rules.loc[("North", "b")].to_list() == [True, False, False, True]
    assert rules.loc[("South", "a")].to_list() == [False, True, False, True]
    assert rules.loc[("South", "b")].to_list() == [False, True, True, True]
    north = table.loc[("North", "Total")]
    assert (north["amount"], north["contributors"], north["largest"]) == (210, 21, 10)
    assert table.loc[("South", "b"), "top_share"] == pytest.approx(560 / 605)
    assert table.loc[("South", "b"), "p_ratio"] == pytest.approx(45 / 500)
    assert table.loc[("Total", "Total"), "amount"] == spending()["spent"].sum()


def test_one_contributor_and_an_amount_of_nothing_are_unsafe():
    records = pd.DataFrame({"region": list("ab"), "spent": [7.0, 0.0]})
    table = amount_table(records, ["region"], "spent", threshold=1).set_index("region")
    assert table.loc["a", "p_unsafe"]
    assert table.loc["b", "p_unsafe"]


def test_thresholds_can_be_set():
    table = amount_table(spending(), ["region", "kind"], "spent", threshold=5, n=1, k=0.5, p=0.05)
    unsafe = table[table["unsafe"]].set_index(["region", "kind"]).index.to_list()
    assert unsafe == [("South", "b"), ("Total", "b")]


def test_unsafe_amounts_are_suppressed_with_enough_others():
    table = amount_table(spending(), ["region", "kind"], "spent")
    done = suppress_amounts(
        table, ["region", "kind"], "amount", table["unsafe"], slack=0.1 * table["largest"]
    )
    assert done.table.loc[table["unsafe"], "amount"].isna().all()
    assert done.secondary.any()


@pytest.mark.parametrize("amount", [None, -1.0])
def test_blanks_and_negative_amounts_are_refused(amount):
    records = pd.DataFrame({"region": ["a", "b"], "spent": [1.0, amount]})
    with pytest.raises(CivicmlError, match="blanks or amounts below 0"):
        amount_table(records, ["region"], "spent")
