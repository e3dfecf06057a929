"""Generalisation: hierarchies that merge, the least that hides people, and risk that only falls."""

import math
from collections import Counter, defaultdict
from itertools import product

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicml.datasets.anonymity import (
    class_sizes,
    classes,
    k_anonymity,
    l_diversity,
    measure_anonymity,
    t_closeness,
)
from civicml.datasets.attacks import linkage_risk, singled_out
from civicml.datasets.generalising import (
    Hierarchy,
    age_hierarchy,
    all_or_nothing,
    date_hierarchy,
    generalise,
    least_generalisation,
    postcode_hierarchy,
)
from civicml.errors import CivicmlError

HIERARCHIES = {"age": age_hierarchy(), "sex": all_or_nothing(), "postcode": postcode_hierarchy()}


def written(hierarchy, values):
    frame = pd.DataFrame({"c": values})
    return [generalise(frame, {"c": hierarchy}, {"c": name})["c"].to_list() for name in hierarchy.names]


def test_ages_become_bands():
    assert written(age_hierarchy(), [0, 4, 19, 85]) == [
        [0, 4, 19, 85],
        ["0-4", "0-4", "15-19", "85-89"],
        ["0-9", "0-9", "10-19", "80-89"],
        ["0-19", "0-19", "0-19", "80-99"],
        ["any"] * 4,
    ]


def test_postcodes_lose_their_end_first():
    assert written(postcode_hierarchy(), ["ZZ1 4AB", "zz12 4CD", "Z1A 9EF"]) == [
        ["ZZ1 4AB", "zz12 4CD", "Z1A 9EF"],
        ["ZZ1 4", "ZZ12 4", "Z1A 9"],
        ["ZZ1", "ZZ12", "Z1A"],
        ["ZZ", "ZZ", "Z"],
        ["any"] * 3,
    ]


def test_days_become_months_quarters_and_years():
    days = pd.to_datetime(["2026-03-31", "2026-04-01"])
    assert written(date_hierarchy(), days)[1:] == [
        ["2026-03", "2026-04"],
        ["2026Q1", "2026Q2"],
        ["2026", "2026"],
        ["any", "any"],
    ]


def people(*rows):
    return pd.DataFrame(rows, columns=["age", "sex", "postcode", "ill"])


PEOPLE = people(
    (31, "F", "ZZ1 1AB", "flu"),
    (34, "F", "ZZ1 1CD", "gout"),
    (36, "F", "ZZ1 2AB", "flu"),
    (39, "F", "ZZ1 2CD", "cough"),
    (31, "M", "ZZ2 1AB", "flu"),
    (34, "M", "ZZ2 1CD", "gout"),
    (80, "M", "ZZ2 1CD", "gout"),
)


def test_the_table_says_how_well_it_hides_people():
    found = measure_anonymity(PEOPLE, ["sex"], ["ill"])
    assert (found.rows, found.classes, found.k, found.alone) == (7, 2, 3, 0)
    assert found.l == {"ill": 2}
    assert found.entropy_l["ill"] == pytest.approx(1.8898815748423097)  # 3 / 4 ** (1 / 3)
    assert str(found) == ("7 people in 2 classes; k = 3; 0 alone.\nill: l = 2 (by entropy 1.89), t = 0.24.")
    assert classes(PEOPLE, ["sex"]).to_dict("list") == {"sex": ["M", "F"], "people": [3, 4]}
    nobody = measure_anonymity(PEOPLE[:0], ["sex"], ["ill"])
    assert (nobody.k, nobody.classes, nobody.l["ill"], nobody.t["ill"]) == (0, 0, 0, 0)


def test_no_more_is_generalised_than_need_be():
    done = least_generalisation(PEOPLE[:6], HIERARCHIES, k=2)
    assert done.levels == {"age": "5 years", "sex": "as it is", "postcode": "sector"}
    assert done.kept.all()
    assert k_anonymity(done.frame, list(HIERARCHIES)) == 2
    assert list(done.frame["ill"]) == list(PEOPLE["ill"][:6])


def test_one_who_stands_out_is_left_out_if_that_is_allowed():
    everybody = least_generalisation(PEOPLE, HIERARCHIES, k=2)
    assert everybody.levels["age"] != "5 years"
    done = least_generalisation(PEOPLE, HIERARCHIES, k=2, leave_out=0.15)
    assert done.levels["age"] == "5 years"
    assert done.kept.tolist() == [True] * 6 + [False]
    assert done.loss < everybody.loss
    assert str(done).startswith("age: 5 years; sex: as it is; postcode: sector. 1 of 7 people left out; ")


def test_what_cannot_be_reached_is_said():
    with pytest.raises(CivicmlError, match="No generalisation reaches k = 8, l = 1, t = 1 with 10% left out"):
        least_generalisation(PEOPLE, HIERARCHIES, k=8, leave_out=0.1)
    with pytest.raises(CivicmlError, match="'age' has no level '7 years'; it has as it is, 5 years"):
        generalise(PEOPLE, HIERARCHIES, {"age": "7 years"})
    with pytest.raises(CivicmlError, match="no column 'born'; the table has age, sex"):
        least_generalisation(PEOPLE, {"born": date_hierarchy()}, k=2)


def test_a_level_that_splits_what_was_merged_is_refused():
    odd = Hierarchy.of(("tens", lambda ages: ages // 10), ("fours", lambda ages: ages // 4))
    with pytest.raises(CivicmlError, match="'age': level 'fours' splits values of 'tens'"):
        least_generalisation(PEOPLE, {"age": odd}, k=2)


rows = st.lists(
    st.tuples(
        st.sampled_from([1, 4, 7, 12, 33, None]),
        st.sampled_from("FM"),
        st.sampled_from(["ZZ1 1AB", "ZZ1 1CD", "ZZ1 2AB", "ZZ2 1AB", "Y1 1AB"]),
        st.sampled_from(["flu", "gout", "cough"]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(
    rows, st.integers(1, 5), st.integers(1, 2), st.sampled_from([0.2, 0.5, 1.0]), st.sampled_from([0, 0.2, 1])
)
def test_the_choice_hides_everybody_and_no_other_choice_loses_less(table, k, l, t, leave_out):  # noqa: E741
    frame = people(*table).astype({"age": "Int16"})
    columns = list(HIERARCHIES)

    written_as = {
        (column, name): generalise(frame[[column]], HIERARCHIES, {column: name})[column]
        .astype("object")
        .map(str)
        for column in columns
        for name in HIERARCHIES[column].names
    }
    ill = frame["ill"].to_list()

    def hidden(classes):
        """The people kept by leaving out those who stand out, again and again."""
        kept = list(range(len(ill)))
        while kept:
            members, whole = defaultdict(Counter), Counter(ill[n] for n in kept)
            for n in kept:
                members[classes[n]][ill[n]] += 1
            good = {c for c, found in members.items() if found.total() >= k and len(found) >= l}
            if len(good) == len(members):
                far = {
                    c: sum(abs(found[v] / found.total() - whole[v] / len(kept)) for v in whole) / 2
                    for c, found in members.items()
                }
                good = {c for c, distance in far.items() if distance <= t + 1e-12}
            if len(good) == len(members):
                break
            kept = [n for n in kept if classes[n] in good]
        return kept

    def bits(values):
        return sum(-n / len(ill) * math.log(n / len(ill)) for n in Counter(values).values())

    possible = []
    for names in product(*(HIERARCHIES[column].names for column in columns)):
        coarse = [written_as[choice] for choice in zip(columns, names, strict=True)]
        out = 1 - len(hidden(list(zip(*coarse, strict=True)))) / len(ill)
        fine = [bits(written_as[column, "as it is"]) for column in columns]
        gone = [1 - bits(now) / before if before > 0 else 0 for now, before in zip(coarse, fine, strict=True)]
        if out <= leave_out:
            possible.append(out + (1 - out) * sum(gone) / len(gone))
    if not possible:
        with pytest.raises(CivicmlError, match="No generalisation"):
            least_generalisation(frame, HIERARCHIES, ["ill"], k=k, l=l, t=t, leave_out=leave_out)
        return
    done = least_generalisation(frame, HIERARCHIES, ["ill"], k=k, l=l, t=t, leave_out=leave_out)
    assert done.loss == pytest.approx(min(possible))
    assert 1 - done.kept.mean() <= leave_out
    if done.kept.any():
        assert k_anonymity(done.frame, columns) >= k
        assert l_diversity(done.frame, columns, "ill") >= l
        assert t_closeness(done.frame, columns, "ill") <= t + 1e-12


@settings(max_examples=40, deadline=None)
@given(rows, st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(0, 4)), st.integers(0, 2))
def test_generalising_never_makes_anybody_easier_to_find(table, levels, which):
    frame = people(*table).astype({"age": "Int16"})
    columns = list(HIERARCHIES)
    coarser = [min(n + (c == which), len(HIERARCHIES[columns[c]].levels) - 1) for c, n in enumerate(levels)]
    before, after = (
        generalise(
            frame, HIERARCHIES, {c: HIERARCHIES[c].names[n] for c, n in zip(columns, chosen, strict=True)}
        )
        for chosen in (levels, coarser)
    )
    assert (class_sizes(after, columns) >= class_sizes(before, columns)).all()
    assert k_anonymity(after, columns) >= k_anonymity(before, columns)
    assert l_diversity(after, columns, "ill") >= l_diversity(before, columns, "ill")
    assert t_closeness(after, columns, "ill") <= t_closeness(before, columns, "ill") + 1e-12
    assert singled_out(after, columns) <= singled_out(before, columns)
    assert linkage_risk(after, columns) <= linkage_risk(before, columns) + 1e-12
