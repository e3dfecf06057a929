"""What verify and the report say of disclosure rules: totals, closeness and linkage, on a small dataset."""

import textwrap

import pytest

from civicml.datasets import record, verify

RECIPE = """
    import numpy as np
    import pandas as pd

    from civicml.datasets.cells import count_table
    from civicml.datasets.disclosure import enforce, protect_counts
    from civicml.datasets.suppression import protect_table

    ROWS = 1_000
    SECONDARY = True

    def generate(streams, rows):
        rng = streams.rng("people")
        people = pd.DataFrame({
            "number": np.arange(rows),
            "birthday": np.arange(rows) % 366,
            "town": rng.choice(["Ashby", "Beckford", "Corley"], rows, p=[0.5, 0.4, 0.1]),
            "ill": rng.choice(["flu", "gout", "cough"], rows, p=[0.9, 0.02, 0.08]),
        })
        yield {"people": people}
        yield {"newspaper": people[:20].rename(columns={"number": "who", "birthday": "born"})}

    def publish(raw, streams, rules):
        people = raw.read("people")
        yield {"people": enforce(people[["town", "ill"]], rules.people).frame}
        counts = count_table(people, ["town", "ill"]).astype({"town": str, "ill": str, "count": "int64"})
        rule = rules.counts_of("counts")
        small = counts.assign(count=protect_counts(counts["count"], rule))
        yield {"counts": protect_table(counts, rule) if SECONDARY else small}

    def measure(tables):
        return {"flu": (tables["people"]["ill"] == "flu").mean()}
"""
SCHEMA = """
    name = "tiny"
    title = "A tiny dataset"
    source = "nobody"
    main_table = "people"
    [tables.people]
    description = "One row a person."
    [tables.people.columns]
    town = { type = "category", description = "Where they live.", missing = true }
    ill = { type = "category", description = "What of.", missing = false }
    [tables.counts]
    description = "How many."
    [tables.counts.columns]
    town = { type = "category", description = "Where they live.", missing = false }
    ill = { type = "category", description = "What of.", missing = false }
    count = { type = "integer", description = "How many.", missing = true }
"""
RULES = """
    [people]
    table = "people"
    quasi_identifiers = ["town"]
    sensitive = ["ill"]
    k = 3
    l = 2
    t = 0.5
    suppress = ["town"]

    [[counts]]
    table = "counts"
    column = "count"
    suppress_to = 7
    round_to = 1
    totals = ["town", "ill"]

    [[linkage]]
    knows = "a newspaper"
    auxiliary = "newspaper"
    target = "people"
    on_raw = { born = "birthday", town = "town" }
    on_published = { town = "town" }
    truth_raw = { who = "number" }
    at_most = 0.0
    why = "Many live in each town."
"""
CALIBRATION = """
    [figures.flu]
    what = "people with flu"
    value = 0.9
    tolerance = 0.05
    year = "2025"
    source = "nobody"
    why = "most"
"""


@pytest.fixture
def small(tiny):
    """A course of one dataset with a table of totals and a newspaper; change its files before it is built."""
    folder = tiny / "datasets" / "nowhere" / "tiny"
    files = {
        "recipe.py": RECIPE,
        "schema.toml": SCHEMA,
        "disclosure.toml": RULES,
        "calibration.toml": CALIBRATION,
    }
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def disclosure_checks():
    record("tiny")
    return {check.what: check for check in verify("tiny") if check.area == "disclosure"}


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_every_rule_is_checked_and_reported(small):
    checks = disclosure_checks()
    assert set(checks) == {
        "k-anonymity of people",
        "l-diversity of people, ill",
        "t-closeness of people, ill",
        "small or unrounded counts in counts, count",
        "suppressed counts in counts, count, that follow from the others",
        "claimed to be recognised, having a newspaper",
    }
    assert all(check.holds for check in checks.values())
    report = (small / "disclosure.md").read_text()
    assert "| t-closeness of ill | at most 0.50 |" in report
    assert "knowing the rule, 0 blanks can be worked out exactly" in report
    # 1,000 people and 366 birthdays: with the town most are alone, and every claim is right.
    newspaper = next(line for line in report.splitlines() if line.startswith("| a newspaper"))
    _, _, rows, claimed, right, claimed_after, right_after, _ = (
        part.strip() for part in newspaper.split("|")
    )
    assert rows == "20"
    assert float(claimed.rstrip("%")) > 30
    assert (right, claimed_after, right_after) == ("100.0%", "0.0%", "cannot be told")


def test_small_counts_alone_do_not_protect_a_table_with_totals(small):
    change(small / "recipe.py", "SECONDARY = True", "SECONDARY = False")
    failed = [what for what, check in disclosure_checks().items() if not check.holds]
    assert failed == ["suppressed counts in counts, count, that follow from the others"]
    report = (small / "disclosure.md").read_text()
    assert "knowing the rule, 1 blanks can be worked out exactly" in report


def test_a_newspaper_that_recognises_somebody_is_found(small):
    change(small / "recipe.py", ".frame}", ".frame.drop_duplicates()}")
    change(small / "disclosure.toml", "k = 3", "k = 1")
    change(
        small / "disclosure.toml",
        'on_published = { town = "town" }',
        'on_published = { town = "town", ill = "ill" }',
    )
    checks = disclosure_checks()
    assert not checks["claimed to be recognised, having a newspaper"].holds
    assert checks["claimed to be recognised, having a newspaper"].found == "100.0%"


def test_classes_too_unlike_the_rest_are_found(small):
    change(
        small / "recipe.py",
        "enforce(people[",
        "enforce(people.assign(ill=people['ill'].where(people['town'] != 'Corley', 'gout'))[",
    )
    change(
        small / "recipe.py",
        "rules.people).frame",
        "rules.people.model_copy(update={'t': None, 'l': 1})).frame",
    )
    change(small / "disclosure.toml", "l = 2", "l = 1")
    failed = [what for what, check in disclosure_checks().items() if not check.holds]
    assert failed == ["t-closeness of people, ill"]
