"""k, l and t on worked examples, enforcement on anything, the rule for counts, and attacks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicml.datasets.disclosure import (
    CountRule,
    PeopleRule,
    Rules,
    class_sizes,
    enforce,
    inference_gain,
    k_anonymity,
    l_diversity,
    linkage_risk,
    protect_counts,
    singled_out,
    t_closeness,
)
from civicml.errors import CivicmlError

# The salary example of Li, Li and Venkatasubramanian, "t-Closeness" (ICDE 2007), tables 3 and 5:
# three classes of three people; distances from the whole table 0.375 and 0.167 for two of them.
SALARIES = pd.DataFrame(
    {"zip": ["4767*"] * 3 + ["4790*"] * 3 + ["4760*"] * 3, "salary": [3, 4, 5, 6, 11, 8, 7, 9, 10]}
)


def test_numbers_are_as_far_apart_as_in_the_paper():
    assert t_closeness(SALARIES, ["zip"], "salary") == pytest.approx(0.375)
    regrouped = SALARIES.assign(zip=["a" if s in (6, 8, 11) else "rest" for s in SALARIES["salary"]])
    assert t_closeness(regrouped, ["zip"], "salary") == pytest.approx(0.1667, abs=1e-3)


def test_categories_are_equally_far_apart():
    frame = pd.DataFrame({"place": ["x", "x", "y", "y"], "ill": ["flu", "flu", "flu", "cold"]})
    # Whole table 3/4 and 1/4; class x 1 and 0; class y 1/2 and 1/2: both a quarter away.
    assert t_closeness(frame, ["place"], "ill") == pytest.approx(0.25)


def test_k_and_l_are_those_of_the_worst_class():
    frame = pd.DataFrame(
        {
            "age": ["20-29", "20-29", "30-39", "30-39", "30-39"],
            "sex": ["F", "F", "M", "M", "M"],
            "ill": ["flu", "flu", "flu", "cold", "gout"],
        }
    )
    assert k_anonymity(frame, ["age", "sex"]) == 2
    assert k_anonymity(frame, ["ill"]) == 1
    assert l_diversity(frame, ["age", "sex"], "ill") == 1
    assert l_diversity(frame[2:], ["age", "sex"], "ill") == 3
    assert list(class_sizes(frame, ["age", "sex"])) == [2, 2, 3, 3, 3]


def test_a_blank_is_a_value_of_its_own():
    frame = pd.DataFrame({"decile": pd.array([1, 1, None, None, None], dtype="Int16"), "ill": list("ababa")})
    assert k_anonymity(frame, ["decile"]) == 2
    assert l_diversity(frame, ["decile"], "ill") == 2


def test_an_empty_table_protects_nobody():
    frame = pd.DataFrame({"a": [], "b": []})
    assert k_anonymity(frame, ["a"]) == l_diversity(frame, ["a"], "b") == 0


def rule(k, l=1, t=None, suppress=("decile",)):  # noqa: E741
    return PeopleRule(
        table="people",
        quasi_identifiers=["place", "decile"],
        sensitive=["ill"],
        k=k,
        l=l,
        t=t,
        suppress=list(suppress),
    )


def people(*groups):
    rows = [(place, decile, bool(n % 2)) for place, decile, size in groups for n in range(size)]
    frame = pd.DataFrame(rows, columns=["place", "decile", "ill"])
    return frame.astype({"decile": "Int16"})


def test_only_rare_values_are_blanked():
    result = enforce(people(("A", 1, 10), ("A", 2, 3), ("A", 3, 2), ("B", 1, 9)), rule(k=5))
    assert result.blanked == {"decile": 5}
    assert result.kept.all()
    assert k_anonymity(result.frame, ["place", "decile"]) == 5
    assert (result.frame["decile"].notna().groupby(result.frame["place"]).sum() == [10, 9]).all()


def test_where_the_blanks_stand_out_the_smallest_neighbour_joins_them():
    result = enforce(people(("A", 1, 10), ("A", 2, 7), ("A", 3, 2)), rule(k=5))
    blank = result.frame["decile"].isna()
    assert blank.sum() == 9
    assert set(result.frame.loc[~blank, "decile"]) == {1}


def test_whoever_still_stands_out_is_left_out_and_reported():
    result = enforce(people(("A", 1, 10), ("B", 1, 3)), rule(k=5))
    assert result.kept.sum() == 10
    assert set(result.frame["place"]) == {"A"}


def test_classes_that_are_all_alike_are_blanked_too():
    frame = people(("A", 1, 10), ("A", 2, 10))
    frame.loc[frame["decile"] == 2, "ill"] = True
    result = enforce(frame, rule(k=2, l=2))
    assert l_diversity(result.frame, ["place", "decile"], "ill") == 2
    assert result.frame["decile"].isna().all()


def test_classes_unlike_the_rest_are_blanked_where_a_largest_distance_is_set():
    frame = people(("A", 1, 20), ("A", 2, 20))
    frame["ill"] = [n % 4 == 0 for n in range(20)] + [n % 4 != 0 for n in range(20)]
    # A quarter of decile 1 and three quarters of decile 2 are ill, half of all.
    assert enforce(frame, rule(k=2, t=0.25)).blanked == {"decile": 0}
    result = enforce(frame, rule(k=2, t=0.2))
    assert result.blanked == {"decile": 40}
    assert t_closeness(result.frame, ["place", "decile"], "ill") == 0


def test_leaving_a_class_out_moves_what_the_others_are_held_to():
    frame = people(("A", 1, 20), ("B", 1, 40), ("C", 1, 20))
    # 18 of A, 16 of B and all of C are ill: C is too far from all, and without C, A is too far from A and B.
    frame["ill"] = [n < 18 for n in range(20)] + [n < 16 for n in range(40)] + [True] * 20
    result = enforce(frame, rule(k=2, t=0.3))
    assert set(result.frame["place"]) == {"B"}
    assert result.kept.sum() == 40


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 4), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 6),
    st.integers(1, 2),
    st.sampled_from([None, 0.05, 0.2, 0.5]),
)
def test_enforcement_always_reaches_k_and_l_and_t(rows, k, l, t):  # noqa: E741
    frame = pd.DataFrame(rows, columns=["place", "decile", "ill"]).astype({"decile": "Int16"})
    result = enforce(frame, rule(k, l, t))
    assert len(result.frame) == result.kept.sum()
    if len(result.frame):
        assert k_anonymity(result.frame, ["place", "decile"]) >= k
        assert l_diversity(result.frame, ["place", "decile"], "ill") >= l
        assert t is None or t_closeness(result.frame, ["place", "decile"], "ill") <= t
    shown = result.frame["decile"].notna()
    kept = frame[result.kept].reset_index(drop=True)
    assert (result.frame.loc[shown, "decile"] == kept.loc[shown, "decile"]).all()
    assert (result.frame["place"] == kept["place"]).all()


def test_counts_follow_the_rule_of_nhs_england():
    counts = pd.Series([0, 1, 7, 8, 10, 12, 13, 17, 18, 1_002, 1_003])
    shown = protect_counts(counts, CountRule(table="t", column="c", suppress_to=7, round_to=5))
    assert shown.fillna(-1).to_list() == [0, -1, -1, 10, 10, 10, 15, 15, 20, 1_000, 1_005]


def test_zero_is_blanked_where_nobody_tells_something_of_everybody():
    protecting = CountRule(table="t", column="c", suppress_to=7, round_to=5, protect_zero=True)
    assert protect_counts(pd.Series([0, 7, 8]), protecting).fillna(-1).to_list() == [-1, -1, 10]


def test_each_table_of_counts_has_its_own_rule():
    seven = CountRule(table="monthly", column="n", suppress_to=7, round_to=5)
    ten = CountRule(table="yearly", column="n", suppress_to=10, round_to=1)
    both = Rules(counts=[seven, ten, ten.model_copy(update={"column": "m"})])
    assert both.counts_of("monthly") == seven
    assert both.counts_of("yearly", "n") == ten
    with pytest.raises(CivicmlError, match="2 rules for the counts of 'yearly'; one is needed"):
        both.counts_of("yearly")
    with pytest.raises(CivicmlError, match="0 rules for the counts of 'weekly'"):
        both.counts_of("weekly")


def test_attacks_on_a_hand_made_table():
    frame = pd.DataFrame({"place": list("AAAB"), "born": [1, 1, 2, 3], "ill": [True, True, False, False]})
    assert singled_out(frame, ["place"]) == 0.25
    assert singled_out(frame, ["place", "born"]) == 0.5
    assert linkage_risk(frame, ["place"]) == pytest.approx((3 * 1 / 3 + 1) / 4)
    # Knowing nothing: right for two of four. Knowing the place: for two of three in A, and for B.
    assert inference_gain(frame, ["place"], "ill") == pytest.approx(0.25)
    assert np.isclose(inference_gain(frame, ["born"], "ill"), 0.5)
