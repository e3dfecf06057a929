"""The attack on traces: knowing a few of somebody's journeys."""

import pandas as pd
import pytest

from civicml.datasets.traces import trace
from civicml.errors import CivicmlError


def journeys(*cards: str) -> pd.DataFrame:
    """One row a journey: each card is given as the hours at which it was used, all on one route."""
    rows = [(f"card {number}", "R01", hour) for number, hours in enumerate(cards) for hour in hours]
    return pd.DataFrame(rows, columns=["card", "route", "hour"])


def test_two_journeys_find_a_card_that_one_does_not():
    events = journeys("ab", "ac", "bc")
    assert trace(events, "card", ["route", "hour"], points=1).success == 0
    assert trace(events, "card", ["route", "hour"], points=2).success == 1


def test_cards_that_travel_together_hide_one_another():
    found = trace(journeys("abc", "abc", "xyz"), "card", ["route", "hour"], points=2)
    assert (found.alone, found.subjects) == (1, 3)
    assert str(found) == "Knowing 2 points: 1 of 3 traces (33.3%) are found alone."


def test_a_journey_made_twice_is_one_point_and_short_traces_are_not_drawn():
    found = trace(journeys("aa", "ab"), "card", ["route", "hour"], points=2)
    assert (found.alone, found.subjects) == (1, 1)


def test_where_there_is_no_such_column_there_is_nothing_to_find():
    with pytest.raises(CivicmlError, match="no column 'card_id'"):
        trace(journeys("ab"), "card_id", ["hour"])
    with pytest.raises(CivicmlError, match="at least one point"):
        trace(journeys("ab"), "card", ["hour"], points=0)
