"""Attacks on hand-made tables: who is found alone, who is recognised from another table, and how surely."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicml.datasets.attacks import BeforeAndAfter, link, single_out
from civicml.errors import CivicmlError

EPISODES = pd.DataFrame(
    {
        "patient": [1, 1, 2, 3, 4],
        "age": pd.array([34, 34, 51, 51, None], dtype="Int16"),
        "sex": pd.Categorical(["F", "F", "M", "M", "M"]),
    }
)
NEWSPAPER = pd.DataFrame({"who": [1, 2, 9], "aged": [34, 51, 80], "gender": ["F", "M", "M"]})
ON = {"aged": "age", "gender": "sex"}


def test_singling_out_counts_rows_alone_and_the_chance_of_a_guess():
    found = single_out(EPISODES, ["age", "sex"])
    assert (found.rows, found.alone, found.success) == (5, 1, 0.2)
    assert found.guess == pytest.approx((1 / 2 + 1 / 2 + 1 / 2 + 1 / 2 + 1) / 5)
    assert str(found) == (
        "Knowing age, sex: 1 of 5 rows (20.0%) are found alone; "
        "a guess among the rows that fit is right 60.0% of the time."
    )


def test_a_person_is_claimed_when_exactly_one_row_fits():
    known = EPISODES.dropna()
    found = link(NEWSPAPER, known[known["patient"] != 3], ON)
    # 34 F fits two rows; 51 M one; 80 M none.
    assert (found.rows, found.fitting, found.claimed, found.right) == (3, 2, 1, None)


def test_rows_of_one_person_count_as_one_and_claims_are_held_against_the_truth():
    known = EPISODES.dropna()
    found = link(NEWSPAPER, known[known["patient"] != 2], ON, key=("who", "patient"))
    # 34 F is patient 1, rightly; 51 M looks like patient 3, but is 2.
    assert (found.claimed, found.right, found.precision) == (2, 1, 0.5)
    assert str(found) == "2 of 3 people fit some row; 2 (66.7%) fit exactly one, 1 of them rightly."


def test_a_blank_fits_anything():
    found = link(NEWSPAPER, EPISODES, ON, key=("who", "patient"))
    # The patient of unknown age could be any man: 51 M now fits three people, 80 M fits one, wrongly.
    assert (found.fitting, found.claimed, found.right) == (3, 2, 1)
    nothing = NEWSPAPER.assign(aged=pd.array([None] * 3, dtype="Int16"), gender=None)
    assert link(nothing, EPISODES, ON).claimed == 0
    assert link(nothing, EPISODES, ON).fitting == 3


def test_an_attack_before_and_after_is_told_in_three_lines():
    both = BeforeAndAfter(single_out(EPISODES, ["age", "sex"]), single_out(EPISODES, ["sex"]))
    assert both.fell_by == pytest.approx(0.2)
    assert repr(both).splitlines() == [
        f"Before: {both.before}", f"After: {both.after}", "Success fell from 20.0% to 0.0%.",
    ]  # fmt: skip


def test_nobody_is_found_in_an_empty_table_and_no_newspaper_finds_nobody():
    assert link(NEWSPAPER, EPISODES[:0], ON).fitting == 0
    assert link(NEWSPAPER[:0], EPISODES, ON).success == 0
    assert single_out(EPISODES[:0], ["age"]).success == 0


def test_columns_that_cannot_be_compared_are_named():
    with pytest.raises(CivicmlError, match="'aged' and 'sex' cannot be compared: numbers and text"):
        link(NEWSPAPER, EPISODES, {"aged": "sex"})
    with pytest.raises(CivicmlError, match="no column 'town' to link on; the table has patient, age, sex"):
        link(NEWSPAPER, EPISODES, {"aged": "town"})


values = st.sampled_from([1, 2, None])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(values, values, values), max_size=6),
    st.lists(st.tuples(st.integers(0, 3), values, values, values), max_size=8),
    st.booleans(),
)
def test_linking_is_comparing_every_row_with_every_row(known, rows, by_person):
    auxiliary = pd.DataFrame(known, columns=list("abc"), dtype="Int16")
    auxiliary["who"] = np.arange(len(auxiliary)) % 4
    target = pd.DataFrame(rows, columns=["person", *"xyz"], dtype="Int16")
    found = link(
        auxiliary, target, dict(zip("abc", "xyz", strict=True)), ("who", "person") if by_person else None
    )
    fitting = claimed = right = 0
    for place, mine in enumerate(known):
        fits = [
            (theirs[0] if by_person else number)
            for number, theirs in enumerate(rows)
            if all(
                one is None or other is None or one == other
                for one, other in zip(mine, theirs[1:], strict=True)
            )
        ]
        fitting += bool(fits)
        claimed += len(set(fits)) == 1
        right += set(fits) == {place % 4}
    assert (found.fitting, found.claimed) == (fitting, claimed)
    assert found.right == (right if by_person else None)
