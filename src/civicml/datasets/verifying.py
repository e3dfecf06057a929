"""Holds a dataset to what its folder promises: contract, content hash, calibration, disclosure control.

Also writes the two files that follow from a build: ``checksums.toml`` and ``disclosure.md``.
Must not know any dataset by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from civicml.datasets.anonymity import k_anonymity, l_diversity, t_closeness
from civicml.datasets.calibration import compare, read_figures
from civicml.datasets.catalogue import DATASHEET_FILE, RECIPE_FILE, Dataset, find_dataset, refuse_in_kit
from civicml.datasets.checksums import CHECKSUMS_FILE, checksums_text, read_checksums
from civicml.datasets.disclosure import RULES_FILE, PeopleRule, Rules
from civicml.datasets.files import new_file
from civicml.datasets.hashing import table_hash
from civicml.datasets.loading import load_published, load_raw
from civicml.datasets.recipe import Recipe, load_recipe
from civicml.datasets.reporting import (
    disclosure_report,
    exposed,
    found_alone,
    linked_published,
    read_rules,
    recoverable,
    traced_published,
    unprotected,
)
from civicml.datasets.schema import SCHEMA_FILE, check, check_references
from civicml.datasets.tables import Tables
from civicml.errors import CivicmlError

REPORT_FILE = "disclosure.md"
_FILES = (
    RECIPE_FILE, SCHEMA_FILE, DATASHEET_FILE, "calibration.toml", RULES_FILE, REPORT_FILE, CHECKSUMS_FILE,
)  # fmt: skip
DATASHEET_HEADINGS = (
    "Motivation",
    "Composition",
    "Collection",
    "Disclosure control",
    "Uses",
    "Known quirks",
    "Licence",
    "Maintenance",
)
"""What every datasheet answers (after Gebru et al., *Datasheets for Datasets*, 2021)."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        area: contract, content, calibration, disclosure or documents.
        what: what was checked.
        expected: what it should be.
        found: what it is.
        holds: whether that is good enough.
    """

    area: str
    what: str
    expected: str
    found: str
    holds: bool


def verify(name: str) -> list[Check]:
    """Check everything that the dataset's folder promises about its published tables.

    In a learner's kit, that is the contract and the content hash; the rest is the instructors'.

    Raises:
        CivicmlError: no such dataset, or a file of its folder cannot be read.
    """
    dataset = find_dataset(name)
    tables = load_published(name)
    checks = [*_contract(dataset, tables), *_content(dataset, tables)]
    if not dataset.in_kit:
        recipe, rules, years = load_recipe(dataset), read_rules(dataset), dataset.schema.years
        measured = tables if years is None else load_published(name, years=years.measured)
        checks += [
            *_calibration(dataset, recipe, measured),
            *_disclosure(dataset, recipe, rules, tables),
            *_documents(dataset),
        ]
    return checks


def record(name: str) -> list[Path]:
    """Write ``checksums.toml`` and ``disclosure.md`` for the dataset as it is now, after a change you meant.

    Raises:
        CivicmlError: no such dataset, or this is a learner's kit.
    """
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "raw")
    tables = load_published(name)
    report = disclosure_report(dataset, load_recipe(dataset), load_raw(name), tables)
    return [
        _write(dataset.folder / CHECKSUMS_FILE, checksums_text(tables)),
        _write(dataset.folder / REPORT_FILE, report),
    ]


def _contract(dataset: Dataset, tables: Tables) -> Iterator[Check]:
    for name, table in dataset.schema.tables.items():
        found = "as promised"
        try:
            check(tables[name], table, name)
        except CivicmlError as error:
            found = str(error)
        yield Check(
            "contract", f"types, codes and blanks of {name}", "as promised", found, found == "as promised"
        )
        if table.rows_at_least:
            rows = len(tables[name])
            enough = rows >= table.rows_at_least
            yield Check(
                "contract", f"rows of {name}", f"at least {table.rows_at_least:,}", f"{rows:,}", enough
            )
    found = "all there"
    try:
        check_references(tables, dataset.schema)
    except CivicmlError as error:
        found = str(error)
    yield Check("contract", "rows that other tables refer to", "all there", found, found == "all there")


def _content(dataset: Dataset, tables: Tables) -> Iterator[Check]:
    recorded = read_checksums(dataset.folder).published
    for name, frame in tables.items():
        found, expected = table_hash(frame), recorded.get(name, "none recorded")
        yield Check("content", f"hash of {name}", expected[:16], found[:16], found == expected)


def _calibration(dataset: Dataset, recipe: Recipe, tables: Tables) -> Iterator[Check]:
    figures = read_figures(dataset.folder / RECIPE_FILE)
    for comparison in compare(figures, recipe.measure(tables)):
        figure = comparison.figure
        expected = f"{figure.value:.4g} ± {figure.tolerance:.2g}"
        yield Check("calibration", figure.what, expected, f"{comparison.found:.4f}", comparison.holds)


def _disclosure(dataset: Dataset, recipe: Recipe, rules: Rules, tables: Tables) -> Iterator[Check]:
    if rules.people is not None:
        yield from _people(rules.people, exposed(recipe, rules, tables))
    for rule in rules.counts:
        wrong = unprotected(rule, tables)
        what = f"small or unrounded counts in {rule.table}, {rule.column}"
        yield Check("disclosure", what, "none", f"{wrong:,}" if wrong else "none", wrong == 0)
        if rule.totals:
            found = recoverable(rule, tables)
            what = f"suppressed counts in {rule.table}, {rule.column}, that follow from the others"
            yield Check("disclosure", what, "none", f"{found:,}" if found else "none", found == 0)
    for attack in rules.attacks:
        alone = found_alone(recipe, rules, tables, attack)
        what = f"found alone, knowing {attack.knows}"
        yield Check(
            "disclosure", what, f"at most {attack.at_most:.0%}", f"{alone:.1%}", alone <= attack.at_most
        )
    raw = None
    for linkage in rules.linkage:
        auxiliary = tables.get(linkage.auxiliary)
        if auxiliary is None:  # the intruder's table is not published: it is in the raw layer only
            raw = load_raw(dataset.name) if raw is None else raw
            auxiliary = raw[linkage.auxiliary]
        claimed = linked_published(recipe, rules, tables, auxiliary, linkage).success
        what = f"claimed to be recognised, having {linkage.knows}"
        yield Check(
            "disclosure", what, f"at most {linkage.at_most:.0%}", f"{claimed:.1%}", claimed <= linkage.at_most
        )
    for known in rules.traces:
        share = traced_published(tables, known)
        what = f"traced, knowing {known.knows}"
        allowed = f"at most {known.at_most:.0%}"
        yield Check("disclosure", what, allowed, f"{share:.1%}", share <= known.at_most)


def _people(rule: PeopleRule, people: pd.DataFrame) -> Iterator[Check]:
    k = k_anonymity(people, rule.quasi_identifiers)
    yield Check("disclosure", f"k-anonymity of {rule.table}", f"at least {rule.k}", str(k), k >= rule.k)
    for sensitive in rule.sensitive:
        found = l_diversity(people, rule.quasi_identifiers, sensitive)
        what = f"l-diversity of {rule.table}, {sensitive}"
        yield Check("disclosure", what, f"at least {rule.l}", str(found), found >= rule.l)
        if rule.t is not None:
            t = t_closeness(people, rule.quasi_identifiers, sensitive)
            what = f"t-closeness of {rule.table}, {sensitive}"
            yield Check("disclosure", what, f"at most {rule.t:.2f}", f"{t:.2f}", t <= rule.t)


def _documents(dataset: Dataset) -> Iterator[Check]:
    missing = [file for file in _FILES if not (dataset.folder / file).is_file()]
    yield Check(
        "documents", "files of the folder", "all there", ", ".join(missing) or "all there", not missing
    )
    if DATASHEET_FILE not in missing:
        text = (dataset.folder / DATASHEET_FILE).read_text(encoding="utf-8")
        headings = [line.strip("# ").lower() for line in text.splitlines() if line.startswith("## ")]
        absent = [h for h in DATASHEET_HEADINGS if not any(line.startswith(h.lower()) for line in headings)]
        found = ", ".join(absent) or "all there"
        yield Check("documents", "sections of the datasheet", "all there", found, not absent)


def _write(path: Path, text: str) -> Path:
    """Write `text` to `path` whole, or leave what was there."""
    with new_file(path) as work:
        work.write_text(text, encoding="utf-8")
    return path
