"""Tables of counts with totals: made, suppressed, attacked. Secondary suppression outlives every attack."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicml.datasets.auditing import (
    Knowledge,
    attack_by_programming,
    attack_by_subtraction,
    audit,
    recover_by_programming,
    recover_by_subtraction,
)
from civicml.datasets.cells import count_table, sums_of
from civicml.datasets.disclosure import CountRule
from civicml.datasets.suppression import (
    protect_averages,
    protect_table,
    suppress_amounts,
    suppress_counts,
)
from civicml.errors import CivicmlError

BY = ["town", "status"]
NO_ZERO = Knowledge(suppressed_from=1)


def table_of(*rows):
    """A two-way table of counts with its totals, from its inside."""
    inner = np.array(rows)
    records = [
        {"town": f"T{i}", "status": f"S{j}"} for (i, j), n in np.ndenumerate(inner) for _ in range(int(n))
    ]
    frame = pd.DataFrame(records, columns=BY)
    kinds = {
        "town": [f"T{i}" for i in range(inner.shape[0])],
        "status": [f"S{j}" for j in range(inner.shape[1])],
    }
    return count_table(frame.astype({c: pd.CategoricalDtype(v) for c, v in kinds.items()}), BY)


def blanked(table, small):
    return table.assign(
        count=table["count"].astype("Int64").mask((table["count"] >= 1) & (table["count"] <= small))
    )


def test_a_table_has_every_combination_and_every_total():
    table = table_of([3, 0], [20, 4])
    cells = table["town"].astype(str) + " " + table["status"].astype(str)
    assert dict(zip(cells, table["count"], strict=True)) == {
        "T0 S0": 3, "T0 S1": 0, "T0 Total": 3, "T1 S0": 20, "T1 S1": 4, "T1 Total": 24,
        "Total S0": 23, "Total S1": 4, "Total Total": 27,
    }  # fmt: skip
    sums = sums_of(table, BY)
    assert (sums.equations @ table["count"].to_numpy() == 0).all()
    assert (sums.ways, sums.equations.shape) == (2, (6, 9))


def test_one_blank_in_a_row_is_found_by_subtraction():
    table = table_of([30, 3, 40], [20, 50, 60])
    shown = blanked(table, 7)
    assert recover_by_subtraction(shown, BY).to_list() == table["count"].to_list()
    found = attack_by_subtraction(table, shown, BY)
    assert (found.suppressed, found.claimed, found.right, found.success) == (1, 1, 1, 1.0)


def test_linear_programming_finds_what_subtraction_does_not():
    # Two blanks in each row and column; but 6 + 6 shared among cells of at least 1 and columns of 2 and 10.
    table = table_of([1, 5, 30], [1, 5, 30], [40, 40, 40])
    shown = blanked(table, 7)
    assert attack_by_subtraction(table, shown, BY).claimed == 0
    assert attack_by_programming(table, shown, BY).claimed == 0
    # Whoever knows that zeros are shown knows that two blanks that add up to 2 are 1 and 1.
    found = attack_by_programming(table, shown, BY, knowing=NO_ZERO)
    assert (found.claimed, found.right) == (4, 4)
    assert (
        str(found)
        == "4 cells suppressed; the intruder gives a count for 4, of which 4 are right (100.0% of all)."
    )


def test_the_audit_gives_the_limits_of_each_blank():
    shown = blanked(table_of([2, 6, 30], [6, 3, 30]), 7)
    found = audit(shown, BY)
    # The first row leaves 8, the second 9, the columns 8 and 9: a, 8 - a; 8 - a, 1 + a.
    assert found.cells["low"].to_list() == [0, 0, 0, 1]
    assert found.cells["high"].to_list() == [8, 8, 8, 9]
    assert (found.exact, found.narrower_than(9)) == (0, 4)
    assert audit(shown, BY, knowing=NO_ZERO).cells["low"].to_list() == [1, 1, 1, 2]
    assert str(found) == "0 of 4 suppressed cells (0.0%) can be worked out exactly."


def test_rounding_widens_what_can_be_known():
    table = table_of([30, 3, 40], [20, 50, 60])
    rounded = table.assign(count=((table["count"] + 2) // 5 * 5).astype("Int64").mask(table["count"] == 3))
    found = audit(rounded, BY, knowing=Knowledge(1, 7, 5))
    low, high = found.cells.loc[0, ["low", "high"]]
    assert low <= 3 <= high
    assert high - low >= 4


def test_a_suppressed_table_says_what_it_took():
    done = suppress_counts(table_of([30, 3, 40], [20, 50, 60]), BY, suppress_to=7)
    assert (
        str(done)
        == "12 cells: 1 suppressed for their own sake, 3 to protect them; 12.7% of what was counted is blank."
    )
    assert (done.primary.sum(), done.secondary.sum()) == (1, 3)
    # The cheapest rectangle through the 3: 30, not 40, in its row, with 20 and 50 below.
    assert done.table.loc[done.secondary, ["town", "status"]].to_numpy().tolist() == [
        ["T0", "S0"], ["T1", "S0"], ["T1", "S1"],
    ]  # fmt: skip
    shown = done.table["count"].notna()
    assert (done.table.loc[shown, "count"] == table_of([30, 3, 40], [20, 50, 60]).loc[shown, "count"]).all()


def test_a_total_hidden_beside_all_its_parts_is_found():
    table = table_of([30, 31], [20, 50])
    hidden = table.assign(count=table["count"].astype("Int64").mask(table.index == 8))
    assert audit(hidden, BY).cells[["low", "high"]].to_numpy().tolist() == [[131, 131]]
    assert recover_by_programming(hidden, BY)[8] == 131


def test_protection_reckons_with_who_knows_that_a_blank_is_no_zero():
    # Four blanks, two in each row and column; but the first column leaves 2 for two of them.
    table = table_of([1, 5, 30], [1, 5, 30], [40, 40, 40])
    done = suppress_counts(table, BY, suppress_to=7)
    assert done.primary.sum() == 4
    assert done.secondary.any()
    assert attack_by_programming(table, done.table, BY, knowing=NO_ZERO).claimed == 0


def test_zeros_are_shown_unless_the_rule_protects_them():
    table = table_of([0, 3, 40], [20, 50, 60])
    assert suppress_counts(table, BY, suppress_to=7).table["count"][0] == 0
    done = suppress_counts(table, BY, suppress_to=7, protect_zero=True)
    assert pd.isna(done.table["count"][0])
    assert recover_by_programming(done.table, BY).isna().sum() == done.table["count"].isna().sum()


def test_tables_side_by_side_are_protected_each_for_itself():
    one, other = table_of([30, 3], [20, 50]), table_of([30, 31], [20, 50])
    both = pd.concat([one.assign(month="May"), other.assign(month="June")], ignore_index=True)
    done = suppress_counts(both, ["month", *BY], suppress_to=7)
    assert not (done.primary | done.secondary)[9:].any()
    assert (
        done.table["count"][:9].isna() == suppress_counts(one, BY, suppress_to=7).table["count"].isna()
    ).all()


def test_a_total_that_is_not_published_protects():
    table = table_of([30, 3], [20, 50])
    assert suppress_counts(table, BY, suppress_to=7).secondary.sum() == 3
    columns_only = table[table["status"] != "Total"].reset_index(drop=True)
    assert suppress_counts(columns_only, BY, suppress_to=7).secondary.sum() == 1
    # One row's total missing does not help: it follows from the others.
    one_missing = table[(table["town"] != "T0") | (table["status"] != "Total")].reset_index(drop=True)
    assert suppress_counts(one_missing, BY, suppress_to=7).secondary.sum() == 3


def test_the_rule_of_a_dataset_suppresses_and_rounds():
    rule = CountRule(table="t", column="count", suppress_to=7, round_to=5, totals=BY)
    shown = protect_table(table_of([31, 3, 42], [20, 50, 60]), rule)
    assert shown["count"].isna().sum() == 4
    assert (shown["count"].dropna() % 5 == 0).all()
    alone = protect_table(table_of([31, 3, 42], [20, 50, 60]), rule.model_copy(update={"totals": []}))
    assert alone["count"].isna().sum() == 1


def test_averages_over_few_people_are_blanked():
    shown = protect_averages(pd.Series([1.5, 2.5, 3.5]), pd.Series([7, 8, 0]), suppress_to=7)
    assert shown.isna().to_list() == [True, False, False]


def test_amounts_keep_the_distance_that_the_rule_asks_for():
    table = table_of([30, 3, 40], [20, 50, 60]).rename(columns={"count": "spent"})
    unsafe = (table["town"] == "T0") & (table["status"] == "S1")
    done = suppress_amounts(table, BY, "spent", unsafe, slack=12.5)
    cells = audit(done.table, BY, "spent", whole=False).cells
    assert (cells["high"] - cells["low"] >= 12.5 - 1e-6).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: pd.concat([t, t[:1]]), "town 'T0', status 'S0' is there twice"),
        (lambda t: t.assign(count=t["count"] + (t.index == 0)), "totals are not the sums of their parts"),
        (lambda t: t.assign(count=t["count"].astype("Int64").mask(t.index == 1)), "Row 1 has no 'count'"),
        (lambda t: t.assign(count=t["count"] - 100), "not whole numbers from 0"),
        (
            lambda t: t.rename(columns={"town": "place"}),
            "no column 'town'; the table has place, status, count",
        ),
        (
            lambda t: t.assign(town=t["town"].astype("object").mask(t.index == 2)),
            "Row 2 has no value in 'town'",
        ),
    ],
)
def test_what_is_no_table_is_refused(spoil, message):
    with pytest.raises(CivicmlError, match=message):
        suppress_counts(spoil(table_of([30, 3], [20, 50])), BY, suppress_to=7)


def test_a_published_table_that_contradicts_itself_is_refused():
    table = blanked(table_of([30, 3], [20, 50]), 7)
    wrong = table.assign(count=table["count"].mask(table.index == 2, 10))
    with pytest.raises(CivicmlError, match="contradicts itself"):
        audit(wrong, BY)


counts = st.lists(st.sampled_from([0, 0, 1, 2, 3, 5, 7, 8, 12, 40]), min_size=24, max_size=24)
shapes = st.sampled_from([(4,), (8,), (2, 3), (3, 4), (2, 2, 2), (2, 3, 2), (2, 3, 4)])


@settings(max_examples=40, deadline=None)
@given(counts, shapes, st.integers(1, 8), st.booleans())
def test_no_suppressed_count_can_be_worked_out(values, shape, suppress_to, protect_zero):
    by = [f"c{axis}" for axis in range(len(shape))]
    inner = np.array(values)[: int(np.prod(shape))].reshape(shape)
    records = pd.DataFrame(np.argwhere(np.ones(shape)), columns=by).astype(str).astype("category")
    table = count_table(records.loc[np.repeat(records.index, inner.ravel())], by)
    done = suppress_counts(table, by, suppress_to=suppress_to, protect_zero=protect_zero)
    small = (table["count"] <= suppress_to) & (table["count"] >= (0 if protect_zero else 1))
    assert (done.primary == small).all()
    assert (done.table["count"].isna() == (done.primary | done.secondary)).all()
    knowing = Knowledge(suppressed_from=0 if protect_zero else 1)
    limits = audit(done.table, by, knowing=knowing).cells
    assert (limits["high"] - limits["low"] >= 1).all()
    true = table.loc[done.table["count"].isna(), "count"].to_numpy()
    assert ((limits["low"] <= true) & (true <= limits["high"])).all()
    assert attack_by_programming(table, done.table, by, knowing=knowing).claimed == 0
    # What suppressing only the small counts leaves open is claimed rightly, by both attacks.
    naive = table.assign(count=table["count"].astype("Int64").mask(small))
    for attacked in (
        attack_by_subtraction(table, naive, by),
        attack_by_programming(table, naive, by, knowing=knowing),
    ):
        assert attacked.claimed == attacked.right
    assert (
        attack_by_programming(table, naive, by, knowing=knowing).claimed
        == audit(naive, by, knowing=knowing).exact
        >= attack_by_subtraction(table, naive, by).claimed
    )
