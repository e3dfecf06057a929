"""Holds a dataset to what its folder promises: contract, content hash, calibration, disclosure control.

Also writes the two files that follow from a build: ``checksums.toml`` and ``disclosure.md``.
Must not know any dataset by name.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from civicml.datasets.calibration import compare, read_figures
from civicml.datasets.catalogue import DATASHEET_FILE, RECIPE_FILE, Dataset, find_dataset, refuse_in_kit
from civicml.datasets.checksums import CHECKSUMS_FILE, checksums_text, read_checksums
from civicml.datasets.disclosure import (
    RULES_FILE,
    Attack,
    CountRule,
    Rules,
    inference_gain,
    k_anonymity,
    l_diversity,
    linkage_risk,
    singled_out,
    t_closeness,
)
from civicml.datasets.hashing import table_hash
from civicml.datasets.loading import load, load_raw
from civicml.datasets.recipe import Recipe, load_recipe
from civicml.datasets.schema import SCHEMA_FILE, check, check_references, read_settings
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
    tables = load(name)
    checks = [*_contract(dataset, tables), *_content(dataset, tables)]
    if not dataset.in_kit:
        recipe, rules, years = load_recipe(dataset), _rules(dataset), dataset.schema.years
        measured = tables if years is None else load(name, years=years.measured)
        checks += [
            *_calibration(dataset, recipe, measured),
            *_disclosure(recipe, rules, tables),
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
    tables = load(name)
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


def _disclosure(recipe: Recipe, rules: Rules, tables: Tables) -> Iterator[Check]:
    if rules.people is not None:
        rule, people = rules.people, _exposed(recipe, rules, tables)
        k = k_anonymity(people, rule.quasi_identifiers)
        yield Check("disclosure", f"k-anonymity of {rule.table}", f"at least {rule.k}", str(k), k >= rule.k)
        for sensitive in rule.sensitive:
            found = l_diversity(people, rule.quasi_identifiers, sensitive)
            what = f"l-diversity of {rule.table}, {sensitive}"
            yield Check("disclosure", what, f"at least {rule.l}", str(found), found >= rule.l)
    if rules.counts is not None:
        wrong = _unprotected(rules.counts, tables)
        what = f"small or unrounded counts in {rules.counts.table}"
        yield Check("disclosure", what, "none", f"{wrong:,}" if wrong else "none", wrong == 0)
    for attack in rules.attacks:
        found_alone = singled_out(_attacked(recipe, rules, tables, attack), attack.published)
        what = f"found alone, knowing {attack.knows}"
        allowed = f"at most {attack.at_most:.0%}"
        yield Check("disclosure", what, allowed, f"{found_alone:.1%}", found_alone <= attack.at_most)


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


def disclosure_report(dataset: Dataset, recipe: Recipe, raw: Tables, published: Tables) -> str:
    """The text of ``disclosure.md``: what was protected, how, what it cost, and which attacks were tried.

    Args:
        dataset: the dataset.
        recipe: its recipe.
        raw: the identifiable tables.
        published: what was made of them.
    """
    rules = _rules(dataset)
    lines = [
        f"# Disclosure control of `{dataset.name}`: report of the last build",
        "",
        f"Written by `civicml datasets verify {dataset.name} --record`. The rules are in `{RULES_FILE}`.",
        "",
    ]
    if rules.people is not None:
        lines += _people_report(recipe, rules, raw, published)
    if rules.counts is not None:
        lines += _counts_report(rules.counts, published)
    lines += _attack_report(recipe, rules, raw, published)
    return "\n".join(lines)


def _people_report(recipe: Recipe, rules: Rules, raw: Tables, published: Tables) -> list[str]:
    rule = rules.people
    assert rule is not None  # noqa: S101 (the caller has looked)
    people, before = _exposed(recipe, rules, published), raw[rule.table]
    quasi = rule.quasi_identifiers
    direct = [column for column in before.columns if column not in people.columns]
    lines = [
        "## People",
        "",
        f"`{rule.table}`: {len(before):,} people before, {len(people):,} after. "
        f"Not published: {', '.join(direct)}.",
        "",
        "| measure | asked for | found |",
        "|---|---|---|",
        f"| k-anonymity on {', '.join(quasi)} | {rule.k} | {k_anonymity(people, quasi)} |",
    ]
    for sensitive in rule.sensitive:
        lines += [
            f"| l-diversity (distinct) of {sensitive} | {rule.l} | {l_diversity(people, quasi, sensitive)} |",
            f"| t-closeness of {sensitive} | measured only | {t_closeness(people, quasi, sensitive):.2f} |",
            f"| guessing {sensitive} right more often, knowing the class | measured only "
            f"| {inference_gain(people, quasi, sensitive):.1%} |",
        ]
    lines += [
        "",
        "What it cost:",
        "",
        "| column | cells blanked | change of its distribution |",
        "|---|---|---|",
    ]
    for column in rule.suppress:
        before_column, after = before[column], people[column]
        blanked = int(after.isna().sum() - before_column.isna().sum())
        moved = _distance(before_column, after)
        lines.append(f"| {column} | {blanked:,} ({blanked / len(after):.1%}) | {moved:.3f} |")
    lines += [
        "",
        "The change is the total variation distance between the shares before and after, blanks left out "
        "(0: the same, 1: nothing in common).",
        "",
    ]
    return lines


def _counts_report(rule: CountRule, published: Tables) -> list[str]:
    counts = published[rule.table][rule.column]
    blank = int(counts.isna().sum())
    return [
        "## Counts",
        "",
        f"`{rule.table}.{rule.column}`: 1 to {rule.suppress_to} blanked, the rest to the nearest "
        f"{rule.round_to}. {blank:,} of {len(counts):,} cells are blank ({blank / len(counts):.1%}). "
        "No totals are published beside them, so none can be worked out by subtraction.",
        "",
    ]


def _attack_report(recipe: Recipe, rules: Rules, raw: Tables, published: Tables) -> list[str]:
    lines = [
        "## Attacks tried",
        "",
        "An intruder knows something of one person and looks for the row. *Alone*: the share of rows that "
        "nobody else shares those values with. *Guess*: the chance to be right when guessing among "
        "those who do.",
        "",
        "| the intruder knows | alone, raw | alone, published | guess, raw | guess, published |",
        "|---|---|---|---|---|",
    ]
    for attack in rules.attacks:
        before = raw[attack.table].drop_duplicates()
        after = _attacked(recipe, rules, published, attack)
        figures = [
            f"{singled_out(before, attack.raw):.1%}",
            f"{singled_out(after, attack.published):.1%}",
            f"{linkage_risk(before, attack.raw):.2%}",
            f"{linkage_risk(after, attack.published):.2%}",
        ]
        lines.append(f"| {attack.knows} | {' | '.join(figures)} |")
    lines.append("")
    lines += [f"- **{attack.knows}**: {attack.why}" for attack in rules.attacks]
    lines.append("")
    return lines


def _rules(dataset: Dataset) -> Rules:
    return read_settings(dataset.folder / RULES_FILE, Rules)


def _exposed(recipe: Recipe, rules: Rules, tables: Tables) -> pd.DataFrame:
    if recipe.exposed is not None:
        return recipe.exposed(tables)
    assert rules.people is not None  # noqa: S101 (only asked for where there is a rule for people)
    return tables[rules.people.table]


def _attacked(recipe: Recipe, rules: Rules, tables: Tables, attack: Attack) -> pd.DataFrame:
    """The published rows an intruder looks through: of people, what all tables together say of each."""
    of_people = rules.people is not None and attack.table == rules.people.table
    rows = _exposed(recipe, rules, tables) if of_people else tables[attack.table]
    return rows.drop_duplicates()


def _unprotected(rule: CountRule, tables: Tables) -> int:
    counts = tables[rule.table][rule.column]
    small = (counts >= 1) & (counts <= rule.suppress_to)
    return int((small | (counts % rule.round_to != 0)).fillna(False).sum())


def _distance(before: pd.Series, after: pd.Series) -> float:
    """Total variation distance between two columns' shares, blanks left out."""
    one, other = (values.dropna().astype(str).value_counts(normalize=True) for values in (before, after))
    gaps = pd.concat([one, other], axis=1).fillna(0.0).to_numpy()
    return float(np.abs(gaps[:, 0] - gaps[:, 1]).sum() / 2)


def _write(path: Path, text: str) -> Path:
    """Write `text` to `path` whole, or leave what was there."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return path
