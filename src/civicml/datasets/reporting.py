"""What disclosure control did to a dataset and which attacks were tried: the text of ``disclosure.md``.

Also what the rules find in tables, which verifying uses too. Must not know any dataset by name.
"""

import numpy as np
import pandas as pd

from civicml.datasets.anonymity import k_anonymity, l_diversity, t_closeness
from civicml.datasets.attacks import Linkage, inference_gain, link, single_out
from civicml.datasets.auditing import Knowledge, recover_by_programming
from civicml.datasets.catalogue import Dataset
from civicml.datasets.disclosure import RULES_FILE, Attack, CountRule, LinkageAttack, Rules, TraceAttack
from civicml.datasets.recipe import Recipe
from civicml.datasets.schema import read_settings
from civicml.datasets.tables import Tables
from civicml.datasets.traces import trace
from civicml.errors import CivicmlError


def read_rules(dataset: Dataset) -> Rules:
    """The rules in the ``disclosure.toml`` of `dataset`."""
    return read_settings(dataset.folder / RULES_FILE, Rules)


def exposed(recipe: Recipe, rules: Rules, tables: Tables) -> pd.DataFrame:
    """One row a person, as an intruder with all of the published `tables` sees them."""
    if recipe.exposed is not None:
        return recipe.exposed(tables)
    assert rules.people is not None  # noqa: S101 (only asked for where there is a rule for people)
    return tables[rules.people.table]


def searched(recipe: Recipe, rules: Rules, tables: Tables, table: str) -> pd.DataFrame:
    """The published rows an intruder looks through: of people, what all tables together say of each."""
    of_people = rules.people is not None and table == rules.people.table
    return exposed(recipe, rules, tables) if of_people else _named(tables, table)


def found_alone(recipe: Recipe, rules: Rules, tables: Tables, attack: Attack) -> float:
    """The share of published rows that `attack` finds alone."""
    rows = searched(recipe, rules, tables, attack.table).drop_duplicates()
    return single_out(rows, attack.published).success


def linked_raw(raw: Tables, attack: LinkageAttack) -> Linkage:
    """What `attack` gives on the raw layer."""
    key = next(iter(attack.truth_raw.items()), None)
    return link(_named(raw, attack.auxiliary), _named(raw, attack.target), attack.on_raw, key)


def linked_published(
    recipe: Recipe, rules: Rules, tables: Tables, auxiliary: pd.DataFrame, attack: LinkageAttack
) -> Linkage:
    """What `attack` gives on published `tables`, for an intruder who has `auxiliary`."""
    target = searched(recipe, rules, tables, attack.target)
    key = next(iter(attack.truth_published.items()), None)
    return link(auxiliary, target, attack.on_published, key)


def recoverable(rule: CountRule, tables: Tables) -> int:
    """How many suppressed counts of published `tables` follow from what is shown beside them."""
    table = tables[rule.table]
    knowing = Knowledge(0 if rule.protect_zero else 1, rule.suppress_to, rule.round_to)
    found = recover_by_programming(table, rule.totals, rule.column, total=rule.total, knowing=knowing)
    return int((table[rule.column].isna() & found.notna()).sum())


def unprotected(rule: CountRule, tables: Tables) -> int:
    """How many counts of published `tables` are small or not rounded, against `rule`."""
    counts = tables[rule.table][rule.column]
    small = (counts >= (0 if rule.protect_zero else 1)) & (counts <= rule.suppress_to)
    return int((small | (counts % rule.round_to != 0)).fillna(False).sum())


def disclosure_report(dataset: Dataset, recipe: Recipe, raw: Tables, published: Tables) -> str:
    """The text of ``disclosure.md``: what was protected, how, what it cost, and which attacks were tried.

    Args:
        dataset: the dataset.
        recipe: its recipe.
        raw: the identifiable tables.
        published: what was made of them.
    """
    rules = read_rules(dataset)
    lines = [
        f"# Disclosure control of `{dataset.name}`: report of the last build",
        "",
        f"Written by `civicml datasets verify {dataset.name} --record`. The rules are in `{RULES_FILE}`.",
        "",
    ]
    if rules.people is not None:
        lines += _people_report(recipe, rules, raw, published)
    if rules.counts:
        lines += ["## Counts", ""]
        for rule in rules.counts:
            lines += _counts_report(rule, published)
    if rules.attacks or rules.linkage or rules.traces:
        lines += ["## Attacks tried", ""]
    if rules.attacks:
        lines += _singling_out_report(recipe, rules, raw, published)
    if rules.linkage:
        lines += _linkage_report(recipe, rules, raw, published)
    if rules.traces:
        lines += _traces_report(rules, raw, published)
    return "\n".join(lines)


def _people_report(recipe: Recipe, rules: Rules, raw: Tables, published: Tables) -> list[str]:
    rule = rules.people
    assert rule is not None  # noqa: S101 (the caller has looked)
    people, before = exposed(recipe, rules, published), raw[rule.table]
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
    allowed = "measured only" if rule.t is None else f"at most {rule.t:.2f}"
    for sensitive in rule.sensitive:
        lines += [
            f"| l-diversity (distinct) of {sensitive} | {rule.l} | {l_diversity(people, quasi, sensitive)} |",
            f"| t-closeness of {sensitive} | {allowed} | {t_closeness(people, quasi, sensitive):.2f} |",
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
    small = f"{0 if rule.protect_zero else 1} to {rule.suppress_to} blanked, the rest"
    if rule.suppress_to == 0 and not rule.protect_zero:
        small = "no count blanked for being small, all rounded"
    return [
        f"`{rule.table}.{rule.column}`: {small} to the nearest {rule.round_to}. {blank:,} of {len(counts):,} "
        f"cells are blank ({blank / len(counts):.1%}). {rule.why or _recovery_report(rule, published)}",
        "",
    ]


def _recovery_report(rule: CountRule, published: Tables) -> str:
    if not rule.totals:
        return "No totals are published beside them, so none can be worked out by subtraction."
    totals = (published[rule.table][rule.totals].astype(str) == rule.total).any(axis=1)
    exact = recoverable(rule, published)
    return (
        f"{int(totals.sum()):,} of the cells are totals, and some are blank only to protect others. By "
        f"linear programming, knowing the rule, {exact:,} blanks can be worked out exactly."
    )


def _singling_out_report(recipe: Recipe, rules: Rules, raw: Tables, published: Tables) -> list[str]:
    lines = [
        "An intruder knows something of one person and looks for the row. *Alone*: the share of rows that "
        "nobody else shares those values with. *Guess*: the chance to be right when guessing among "
        "those who do.",
        "",
        "| the intruder knows | alone, raw | alone, published | guess, raw | guess, published |",
        "|---|---|---|---|---|",
    ]
    for attack in rules.attacks:
        before = single_out(_named(raw, attack.table).drop_duplicates(), attack.raw)
        rows = searched(recipe, rules, published, attack.table).drop_duplicates()
        after = single_out(rows, attack.published)
        figures = f"{before.success:.1%} | {after.success:.1%} | {before.guess:.2%} | {after.guess:.2%}"
        lines.append(f"| {attack.knows} | {figures} |")
    return [*lines, "", *(f"- **{attack.knows}**: {attack.why}" for attack in rules.attacks), ""]


def _linkage_report(recipe: Recipe, rules: Rules, raw: Tables, published: Tables) -> list[str]:
    lines = [
        "An intruder has another table and looks for each of its rows. *Claimed*: the share that fits "
        "exactly one row (a blank fits anything), so that the intruder would say who it is. "
        "*Right*: claims that are true.",
        "",
        "| the intruder has | rows | claimed, raw | right | claimed, published | right |",
        "|---|---|---|---|---|---|",
    ]
    for attack in rules.linkage:
        auxiliary = published.get(attack.auxiliary)
        if auxiliary is None:
            auxiliary = _named(raw, attack.auxiliary)
        before = linked_raw(raw, attack)
        after = linked_published(recipe, rules, published, auxiliary, attack)
        figures = " | ".join(f"{found.success:.1%} | {_rightly(found)}" for found in (before, after))
        lines.append(f"| {attack.knows} | {after.rows:,} | {figures} |")
    return [*lines, "", *(f"- **{attack.knows}**: {attack.why}" for attack in rules.linkage), ""]


def _traces_report(rules: Rules, raw: Tables, published: Tables) -> list[str]:
    lines = [
        "An intruder knows a few events of one person and looks for the others. *Found*: the share of people "
        "whom nobody else shares those events with, so that everything else they did is known too.",
        "",
        "| the intruder knows | people tried | found, raw | found, published |",
        "|---|---|---|---|",
    ]
    for attack in rules.traces:
        before = trace(_named(raw, attack.table), attack.subject, attack.point, points=attack.points)
        after = traced_published(published, attack)
        lines.append(f"| {attack.knows} | {before.subjects:,} | {before.success:.1%} | {after:.1%} |")
    return [*lines, "", *(f"- **{attack.knows}**: {attack.why}" for attack in rules.traces), ""]


def traced_published(tables: Tables, attack: TraceAttack) -> float:
    """The share of subjects that `attack` finds in published `tables`; 0 where none says whose a row is."""
    telling = [frame for frame in tables.values() if {attack.subject, *attack.point} <= set(frame.columns)]
    found = [trace(frame, attack.subject, attack.point, points=attack.points).success for frame in telling]
    return max(found, default=0.0)


def _rightly(found: Linkage) -> str:
    if found.right is None:
        return "cannot be told"
    return "none claimed" if found.precision is None else f"{found.precision:.1%}"


def _named(tables: Tables, table: str) -> pd.DataFrame:
    try:
        return tables[table]
    except KeyError as error:
        raise CivicmlError(f"{RULES_FILE}: {error.args[0]}.") from error


def _distance(before: pd.Series, after: pd.Series) -> float:
    """Total variation distance between two columns' shares, blanks left out."""
    one, other = (values.dropna().astype(str).value_counts(normalize=True) for values in (before, after))
    gaps = pd.concat([one, other], axis=1).fillna(0.0).to_numpy()
    return float(np.abs(gaps[:, 0] - gaps[:, 1]).sum() / 2)
