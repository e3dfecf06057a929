"""Rounded counts: to the nearest, at random but right on average, and with totals that still add up."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicml.datasets.cells import count_table, sums_of
from civicml.datasets.rounding import round_at_random, round_counts, round_keeping_totals
from civicml.errors import CivicmlError


def test_counts_go_to_the_nearest_multiple_and_blanks_stay():
    counts = pd.Series([0, 2, 3, 7, 8, None, 100], dtype="Int64")
    assert round_counts(counts, 5).fillna(-1).to_list() == [0, 0, 5, 5, 10, -1, 100]
    with pytest.raises(CivicmlError, match="whole number from 1, not of 0"):
        round_counts(counts, 0)


def test_random_rounding_is_right_on_average():
    counts = pd.Series(np.full(40_000, 7))
    rounded = round_at_random(counts, 5, np.random.default_rng(1))
    assert set(rounded) == {5, 10}
    assert rounded.mean() == pytest.approx(7, abs=0.05)
    stay = round_at_random(pd.Series([0, 5, None], dtype="Int64"), 5, np.random.default_rng(1))
    assert stay.fillna(-1).to_list() == [0, 5, -1]


def test_rounding_each_cell_alone_breaks_totals_that_controlled_rounding_keeps():
    records = pd.DataFrame({"town": list("aaaabbbb"), "ill": list("xyxyxyxy")})
    table = count_table(records, ["town", "ill"])
    sums = sums_of(table, ["town", "ill"])
    alone = round_counts(table["count"], 3).to_numpy(dtype=float)
    assert (sums.equations @ alone).any()
    kept = round_keeping_totals(table, ["town", "ill"], 3)
    assert not (sums.equations @ kept.to_numpy(dtype=float)).any()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 23), min_size=12, max_size=12),
    st.sampled_from([(12,), (3, 4), (2, 6)]),
    st.integers(1, 10),
)
def test_controlled_rounding_adds_up_and_moves_no_count_a_whole_base(values, shape, base):
    by = [f"c{axis}" for axis in range(len(shape))]
    inner = pd.DataFrame(np.argwhere(np.ones(shape)), columns=by).astype(str).astype("category")
    table = count_table(inner.loc[np.repeat(inner.index, values)], by)
    rounded = round_keeping_totals(table, by, base).to_numpy(dtype=float)
    assert not (sums_of(table, by).equations @ rounded).any()
    assert not (rounded % base).any()
    assert (np.abs(rounded - table["count"]) < base).all()
