"""Copied answers are found under other names; independent ones, and what the lab gave, are not."""

import random

import pytest

from civicml.cohort.similarity import alike, fingerprints

GIVEN = "def risk(patients, appointments):\n    raise NotImplementedError"
ORIGINAL = '''
def risk(patients, appointments):
    """Share missed, by lead time."""
    joined = appointments.merge(patients, on="patient_id", how="left")
    joined["lead"] = (joined["appointment_date"] - joined["booking_date"]).dt.days
    bands = pd.cut(joined["lead"], [-1, 0, 7, 28, 400])
    missed = joined["appt_status"].eq("DNA")
    table = missed.groupby(bands, observed=True).agg(["mean", "size"])
    return table[table["size"] > 50]["mean"].sort_values(ascending=False)
'''
RENAMED = """
def risk(people, visits):
    # my own work
    df = visits.merge(people, on='patient_id', how='left')
    df['wait'] = (
        df['appointment_date'] - df['booking_date']
    ).dt.days
    groups = pd.cut(df['wait'], [-1, 0, 7, 28, 400])
    no_show = df['appt_status'].eq('DNA')
    result = no_show.groupby(groups, observed=True).agg(['mean', 'size'])
    return result[result['size'] > 50]['mean'].sort_values(ascending=False)
"""
INDEPENDENT = """
def risk(patients, appointments):
    days = appointments.appointment_date.sub(appointments.booking_date).dt.total_seconds() / 86_400
    frame = pd.DataFrame({"days": days.round(), "dna": appointments.appt_status == "DNA"})
    frame["band"] = np.select([frame.days <= 0, frame.days <= 7, frame.days <= 28], ["0", "7", "28"], "29")
    shares = {}
    for band, part in frame.groupby("band"):
        if len(part) > 50:
            shares[band] = part["dna"].sum() / len(part)
    return pd.Series(shares).sort_values(ascending=False)
"""


def test_other_names_comments_quotes_and_layout_change_nothing():
    assert fingerprints(ORIGINAL.replace('    """Share missed, by lead time."""\n', "")) == fingerprints(
        RENAMED.replace(
            "(\n        df['appointment_date'] - df['booking_date']\n    )",
            "(df['appointment_date'] - df['booking_date'])",
        )
    )


def test_a_copy_under_other_names_is_listed_and_independent_work_is_not():
    pairs = alike({"ann": {"q1": ORIGINAL}, "bo": {"q1": RENAMED}, "cy": {"q1": INDEPENDENT}}, {"q1": GIVEN})
    assert [(pair.one, pair.other) for pair in pairs] == [("ann", "bo")]
    assert pairs[0].share > 0.85
    assert pairs[0].parts == ("q1",)


def test_what_everybody_was_given_and_what_most_wrote_counts_for_nobody():
    assert alike({"ann": {"q1": ORIGINAL}, "bo": {"q1": ORIGINAL}}, {"q1": ORIGINAL}) == []
    crowd = {f"l{n}": {"q1": ORIGINAL} for n in range(10)}
    assert alike(crowd, {"q1": GIVEN}) == []


def test_names_of_library_functions_tell_answers_apart():
    other = (
        ORIGINAL.replace("merge", "join")
        .replace("cut", "qcut")
        .replace("agg", "transform")
        .replace("sort_values", "sort_index")
        .replace("eq", "ne")
        .replace("days", "hours")
    )
    pairs = alike({"ann": {"q1": ORIGINAL}, "bo": {"q1": other}}, {"q1": GIVEN}, at_least=0)
    assert pairs[0].share < 0.7  # what is left are the pieces between the names that differ


def test_prose_is_compared_by_its_words():
    memo = (
        "The manager of the practice phones the forty people whom the model ranks highest on Thursday, "
        "because a call costs two pounds and a missed appointment costs thirty; about most it is wrong."
    )
    pairs = alike(
        {
            "ann": {"q3.md": memo},
            "bo": {"q3.md": memo.replace(",", " -").upper()},
            "cy": {"q3.md": "No idea."},
        },
        {"q3.md": "Write your memo here."},
    )
    assert [(pair.one, pair.other, pair.share) for pair in pairs] == [("ann", "bo", 1.0)]


def test_short_answers_say_nothing():
    same = {name: {"q1": "def total(values):\n    return sum(values)"} for name in ("ann", "bo")}
    assert alike(same, {}) == []


@pytest.mark.parametrize("source", ["def (", "x = 'unclosed", "\x00", "", "é" * 10, "(" * 10_000])
def test_code_that_does_not_parse_is_compared_as_far_as_it_goes(source):
    assert isinstance(fingerprints(source), frozenset)
    assert alike({"ann": {"q1": source}, "bo": {"q1": source}}, {}) == []


def test_a_cohort_of_hundreds_is_compared_at_once():
    words = random.Random(7)
    names = ["merge", "groupby", "agg", "sort_values", "assign", "query", "pivot", "rank", "clip", "fillna"]

    def somebody() -> dict[str, str]:
        lines = [
            f"    x{n} = frame.{words.choice(names)}({words.randrange(99)}, {words.randrange(99)})"
            for n in range(30)
        ]
        return {"q1": "def f(frame):\n" + "\n".join(lines)}

    cohort = {f"l{n:03}": somebody() for n in range(300)}
    cohort["copy"] = {"q1": cohort["l042"]["q1"].replace("frame", "table").replace("x1", "y1")}
    pairs = alike(cohort, {})
    assert [(pair.one, pair.other) for pair in pairs] == [("l042", "copy")]
