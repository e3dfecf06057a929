"""Part 3, whom the model serves: at capacity and at the threshold in use, by characteristic, pair and site.

Each group is held against everybody else, with an interval, and beside what the reference model does to the
same group: a gap that the cases bring with them is told from one that the model makes. It must not know
which groups exist.

Four fifths: the rule of thumb of the Uniform Guidelines on Employee Selection Procedures (1978), here on
selection and on recall; equalised odds: Hardt, Price and Srebro (2016).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm

from civicml.review import plots
from civicml.review.brief import Floats
from civicml.review.evidence import Part, Plot, Table
from civicml.review.findings import Finding, Severity
from civicml.review.material import Material
from civicml.review.measures import Bools, Measured, interval, select, shares
from civicml.review.parts import not_done, part

LEAST_POSITIVES = 20
_MADE_BY_MODEL = 0.85
"""Of the reference's ratio for a group: a model below it makes a gap that others do not."""
_MISCALIBRATED = 0.06
_MOST_ROWS = 12
_THRESHOLD = re.compile(r"threshold(?:[_.:/ -](?P<whom>.+))?")


@dataclass(frozen=True)
class Group:
    """Some of the cases: `column` names what they share, `value` in what way."""

    column: str
    value: str
    rows: Bools

    @property
    def name(self) -> str:
        """As findings name it."""
        return f"{self.column}={self.value}"


@dataclass(frozen=True)
class Served:
    """How a group fares against all others.

    Attributes:
        group: whose figures they are.
        cases: how many there are, and `positives` with the outcome.
        selected: the share that is acted on.
        recall: the share of those with the outcome that is acted on.
        false_alarms: the share of those without it that is.
        selected_ratio: to everybody else's share.
        recall_ratio: to everybody else's recall.
        false_alarm_ratio: to everybody else's share of false alarms.
        promised: the mean score less the share of outcomes.
    """

    group: Group
    cases: int
    positives: int
    selected: Measured
    recall: Measured
    false_alarms: Measured
    selected_ratio: "Ratio"
    recall_ratio: "Ratio"
    false_alarm_ratio: "Ratio"
    promised: float


@dataclass(frozen=True)
class Ratio:
    """A ratio and the standard error of its logarithm."""

    value: float
    error: float

    def surely_below(self, bound: float, tries: int) -> bool:
        """Whether it is below `bound` beyond chance, when as many as `tries` groups are looked at."""
        return self._known and self.high(tries) < bound

    def surely_above(self, bound: float, tries: int) -> bool:
        """The same, above."""
        return self._known and self.low(tries) > bound

    def high(self, tries: int = 1) -> float:
        """The upper end of its interval, corrected for `tries` (Bonferroni)."""
        return self.value * math.exp(_far(tries) * self.error)

    def low(self, tries: int = 1) -> float:
        """The lower end."""
        return self.value * math.exp(-_far(tries) * self.error)

    @property
    def _known(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.error)


def _far(tries: int) -> float:
    return float(norm.ppf(1 - 0.025 / max(1, tries)))


@dataclass(frozen=True)
class Choice:
    """One way to act on scores: whom the model would choose, and whom the reference would, as many."""

    name: str
    code: str
    chosen: Bools
    reference: Bools


def audits(material: Material) -> Part:
    """Compare groups."""
    if material.scores is None:
        return not_done("audits", "There are no scores to audit.")
    scores = material.scores.values
    if np.ptp(scores) < 1e-12:
        return not_done("audits", "All scores are the same, so that choices are by lot.")
    frame = material.data.holdout
    audit = material.brief.audit
    single = [group for name in audit.characteristics for group in groups_of(frame, name, audit.least)]
    pairs = list(_pairs(frame, audit.characteristics, audit.least))
    sites = [group for name in audit.sites for group in groups_of(frame, name, audit.least)]
    tables, findings = [], []
    choices = [at_capacity(material, scores), *_at_thresholds(material, scores)]
    findings += _unequal_thresholds(material)
    for choice in choices:
        named: set[str] = set()
        for kind, groups in (("characteristic", single), ("pair of characteristics", pairs), ("site", sites)):
            served = [_served(material, choice.chosen, scores, group) for group in groups]
            beside = [
                _served(material, choice.reference, material.rivals.reference, group) for group in groups
            ]
            tables += [_table(choice, kind, served, beside, short=kind != "characteristic")] if served else []
            found = list(_judge(material, choice, served, beside, named))
            named |= {finding.code.split(":")[-1] for finding in found}
            findings += found
        tables.append(_gaps(material, choice, single))
    findings += _promised_wrongly(material, [*single, *sites], scores)
    small = _too_small(frame, audit.characteristics, audit.least)
    compared = (
        f"{len(single)} groups, {len(pairs)} pairs and {len(sites)} sites of at least {audit.least} cases"
    )
    summary = f"{compared} were compared at {' and at '.join(choice.name for choice in choices)}."
    if small:
        summary += f" Too few cases to compare: {', '.join(small)}."
    return part(
        "audits", summary, tables=tables, plots=_plot(material, choices[0], single, scores), findings=findings
    )


def groups_of(frame: pd.DataFrame, column: str, least: int) -> list[Group]:
    """The groups of a column that have at least `least` cases, in order of their names."""
    words = frame[column].astype(object).where(frame[column].notna(), "not known").astype(str)
    sizes = words.value_counts()
    values = sorted(str(value) for value, size in sizes.items() if size >= least)
    return [Group(column, value, (words == value).to_numpy()) for value in values] if len(values) > 1 else []


def _pairs(frame: pd.DataFrame, columns: list[str], least: int) -> Iterator[Group]:
    for one, other in combinations(columns, 2):
        for first in groups_of(frame, one, least):
            for second in groups_of(frame, other, least):
                rows = first.rows & second.rows
                if rows.sum() >= least:
                    yield Group(f"{one} and {other}", f"{first.value} and {second.value}", rows)


def _too_small(frame: pd.DataFrame, columns: list[str], least: int) -> list[str]:
    return [
        f"{column}={value} ({size})"
        for column in columns
        for value, size in frame[column].astype(object).fillna("not known").astype(str).value_counts().items()
        if size < least
    ]


# --- whom one acts on -----------------------------------------------------------------------------


def at_capacity(material: Material, scores: Floats) -> Choice:
    """Those whom the brief's capacity reaches."""
    capacity, within = material.brief.metric.capacity, material.problem.within
    return Choice(
        "the brief's capacity",
        "",
        select(scores, capacity, within),
        select(material.rivals.reference, capacity, within),
    )


def thresholds(params: Mapping[str, str]) -> dict[str, float]:
    """The thresholds that a run logged as parameters: {"": for all, "<group>": for one group}."""
    found = {}
    for name, text in params.items():
        match = _THRESHOLD.fullmatch(name.lower())
        if match is None:
            continue
        try:
            value = float(text)
        except ValueError:
            continue
        if 0.0 <= value <= 1.0:
            found[match["whom"] or ""] = value
    return found


def _at_thresholds(material: Material, scores: Floats) -> list[Choice]:
    """Those whom the thresholds reach that the run says are used, if it says any."""
    told = thresholds(material.handed_in.params)
    if not told:
        return []
    limits = np.full(len(scores), told.get("", np.nan))
    for whom, value in told.items():
        if whom and (rows := rows_named(material.data.holdout, material, whom)) is not None:
            limits[rows] = value
    if np.isnan(limits).any():
        return []
    chosen = scores >= limits
    if not chosen.any() or chosen.all():
        return []
    as_many = select(material.rivals.reference, float(chosen.mean()), np.zeros(len(scores), dtype=np.int64))
    return [Choice("the threshold in use", "at-threshold:", chosen, as_many)]


def rows_named(frame: pd.DataFrame, material: Material, whom: str) -> Bools | None:
    """The cases of a group by what a parameter's name calls it, such as ``practice_p07`` or ``p07``."""
    audit, data = material.brief.audit, material.brief.data
    for column in dict.fromkeys((*audit.sites, *audit.characteristics, *data.inputs)):
        words = frame[column].astype(object).astype(str)
        if words.nunique() > 200:
            continue
        for value in words.unique():
            if slug(whom) in (slug(value), slug(f"{column}_{value}")):
                rows: Bools = (words == value).to_numpy()
                return rows
    return None


def slug(text: str) -> str:
    """A value as it stands in the name of a metric or parameter: ``1, most deprived`` is ``1_most_deprived``."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _unequal_thresholds(material: Material) -> list[Finding]:
    told = thresholds(material.handed_in.params)
    if len(set(told.values())) < 2:
        return []
    shown = ", ".join(f"{whom or 'all others'} {value:g}" for whom, value in sorted(told.items()))
    says = f"The run uses thresholds that differ by group: {shown}."
    do = "Use one threshold, or say in the equality analysis who is served less because of it, and why that is right."
    return [Finding("thresholds-differ", "major", "learner", "audits", says, do)]


# --- how groups fare ------------------------------------------------------------------------------


def _served(material: Material, chosen: Bools, scores: Floats, group: Group) -> Served:
    outcome, rows = material.outcome, group.rows
    everyone = np.ones(len(rows), dtype=bool)
    parts = {"selected": everyone, "recall": outcome, "false_alarms": ~outcome}
    own = {name: shares(chosen, among & rows, material.problem.draws) for name, among in parts.items()}
    rest = {name: shares(chosen, among & ~rows, material.problem.draws) for name, among in parts.items()}
    ratios = {name: _ratio(own[name], rest[name]) for name in parts}
    return Served(
        group=group,
        cases=int(rows.sum()),
        positives=int((rows & outcome).sum()),
        selected=interval(*own["selected"]),
        recall=interval(*own["recall"]),
        false_alarms=interval(*own["false_alarms"]),
        selected_ratio=ratios["selected"],
        recall_ratio=ratios["recall"],
        false_alarm_ratio=ratios["false_alarms"],
        promised=float(scores[rows].mean() - outcome[rows].mean()),
    )


def _ratio(one: tuple[float, Floats], other: tuple[float, Floats]) -> Ratio:
    if not other[0] or not math.isfinite(one[0]) or not math.isfinite(other[0]):
        return Ratio(math.nan, math.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Half a case, so that nobody chosen in one draw does not make the logarithm endless.
        logs = np.log(np.maximum(one[1], 1e-3)) - np.log(np.maximum(other[1], 1e-3))
    good = logs[np.isfinite(logs)]
    if len(good) < len(logs) * 0.9:
        return Ratio(one[0] / other[0], math.nan)
    return Ratio(one[0] / other[0], max(float(good.std()), 1e-6))


def _judge(
    material: Material, choice: Choice, served: list[Served], beside: list[Served], named: set[str]
) -> Iterator[Finding]:
    bound = material.brief.audit.four_fifths
    tries = len(served)
    for one, reference in zip(served, beside, strict=True):
        if any(part_of in named for part_of in _parts_of(one.group)):
            continue  # the pair is unserved because one of its two groups is
        if one.positives >= LEAST_POSITIVES and one.recall_ratio.surely_below(bound, tries):
            yield _underserved(material, choice, one, reference)
        elif one.recall_ratio.surely_below(1.0, tries) and one.selected_ratio.surely_below(bound, tries):
            yield _selected_less(choice, one, bound)
        if one.false_alarm_ratio.surely_above(1 / bound, tries):
            made = one.false_alarm_ratio.value * _MADE_BY_MODEL > reference.false_alarm_ratio.value
            if made:
                yield _alarmed(choice, one, reference)


def _parts_of(group: Group) -> list[str]:
    columns, values = group.column.split(" and "), group.value.split(" and ")
    return [f"{column}={value}" for column, value in zip(columns, values, strict=False)]


def _underserved(material: Material, choice: Choice, one: Served, reference: Served) -> Finding:
    made = one.recall_ratio.value < _MADE_BY_MODEL * reference.recall_ratio.value
    severity: Severity = "critical" if made else "major"
    says = (
        f"At {choice.name}, of those with the outcome in {one.group.name} ({one.positives:,} cases) "
        f"{one.recall.value:.0%} are found ({one.recall.low:.0%} to {one.recall.high:.0%}), "
        f"{one.recall_ratio.value:.2f} of everybody else's share. The reference model's ratio there is "
        f"{reference.recall_ratio.value:.2f}: "
        + ("the model makes this gap." if made else "the cases bring most of this gap with them.")
    )
    do = (
        "Find what the model does to this group (an input, a threshold, missing records) and mend it."
        if made
        else "Answer it in the equality analysis: who is missed, what that costs them, and what else reaches them."
    )
    return Finding(f"underserved:{choice.code}{one.group.name}", severity, "learner", "audits", says, do)


def _selected_less(choice: Choice, one: Served, bound: float) -> Finding:
    says = (
        f"At {choice.name}, {one.group.name} is chosen at {one.selected_ratio.value:.2f} of everybody else's rate, "
        f"below {bound:g}, and its own outcomes are found at {one.recall_ratio.value:.2f} of theirs."
    )
    do = "Say in the equality analysis why that is right, or change the decision."
    return Finding(f"four-fifths:{choice.code}{one.group.name}", "minor", "department", "audits", says, do)


def _alarmed(choice: Choice, one: Served, reference: Served) -> Finding:
    says = (
        f"At {choice.name}, {one.group.name} without the outcome is chosen {one.false_alarm_ratio.value:.2f} times as "
        f"often as others without it ({one.false_alarms.value:.0%}); with the reference model it is "
        f"{reference.false_alarm_ratio.value:.2f} times."
    )
    do = "Find what sets this group's scores too high, and say what being chosen in error costs them."
    return Finding(f"false-alarms:{choice.code}{one.group.name}", "major", "learner", "audits", says, do)


def _promised_wrongly(material: Material, groups: list[Group], scores: Floats) -> list[Finding]:
    """Groups whose scores are off in a way that everybody's are not, and the reference's are not."""
    found = []
    outcome, reference = material.outcome, material.rivals.reference
    overall = float(scores.mean() - outcome.mean())
    for group in groups:
        rows = group.rows
        residual = scores - outcome
        weights = material.problem.draws.weights
        with np.errstate(invalid="ignore"):
            again = (weights[:, rows] @ residual[rows].astype(np.float32)) / weights[:, rows].sum(axis=1)
        off, error = float(residual[rows].mean()) - overall, float(np.nanstd(again))
        others = float((reference - outcome)[rows].mean())
        if abs(off) < _MISCALIBRATED or abs(off) < _far(len(groups)) * error or abs(off) < 2 * abs(others):
            continue
        says = (
            f"Scores of {group.name} are on average {abs(off):.2f} too {'high' if off > 0 else 'low'}, "
            "set against everybody's; those of the reference model are not."
        )
        do = "Look at how the model treats this group, and calibrate it there."
        found.append(Finding(f"scores-off:{group.name}", "major", "learner", "audits", says, do))
    return found


# --- tables and pictures --------------------------------------------------------------------------


def _table(choice: Choice, kind: str, served: list[Served], beside: list[Served], *, short: bool) -> Table:
    both = (
        sorted(zip(served, beside, strict=True), key=lambda two: _order(two[0]))
        if short
        else list(zip(served, beside, strict=True))
    )
    rows = tuple(
        (
            one.group.name, one.cases, one.positives, str(one.selected), str(one.recall), str(one.false_alarms),
            _rounded(one.selected_ratio.value), _rounded(one.recall_ratio.value), _rounded(other.recall_ratio.value),
            round(one.promised, 3),
        )
        for one, other in both[: _MOST_ROWS if short else None]
    )  # fmt: skip
    shown = f", the {len(rows)} served least of {len(served)}" if short and len(rows) < len(served) else ""
    return Table(
        f"By {kind}, at {choice.name}{shown}",
        (
            "group", "cases", "with the outcome", "chosen", "found of those with it", "chosen of those without",
            "chosen, ratio to the rest", "found, ratio to the rest", "the same, reference model", "score too high by",
        ),
        rows,
    )  # fmt: skip


def _order(one: Served) -> float:
    value = one.recall_ratio.value
    return value if math.isfinite(value) and one.positives >= LEAST_POSITIVES else math.inf


def _gaps(material: Material, choice: Choice, groups: list[Group]) -> Table:
    """The usual three figures of each characteristic: model beside reference."""
    rows = []
    everyone = np.ones(len(material.outcome), dtype=bool)
    for column in dict.fromkeys(group.column for group in groups):
        own = [group.rows for group in groups if group.column == column]
        row: list[float | str | None] = [column]
        for chosen in (choice.chosen, choice.reference):
            chance, hit, alarm = (
                [
                    float(chosen[rows & among].mean())
                    for rows in own
                    if (rows & among).sum() >= LEAST_POSITIVES
                ]
                for among in (everyone, material.outcome, ~material.outcome)
            )
            row += [
                _rounded(min(chance) / max(chance)) if chance and max(chance) else None,
                _rounded(max(hit) - min(hit)) if hit else None,
                _rounded(max(alarm) - min(alarm)) if alarm else None,
            ]
        rows.append(tuple(row))
    names = ("least chosen to most chosen", "gap in found", "gap in chosen without the outcome")
    return Table(
        f"Four fifths and equalised odds, at {choice.name}",
        ("characteristic", *names, *(f"{name}, reference" for name in names)),
        tuple(rows),
    )


def _rounded(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _plot(material: Material, choice: Choice, groups: list[Group], scores: Floats) -> list[Plot]:
    served = [_served(material, choice.chosen, scores, group) for group in groups]
    rows = [
        (one.group.name, one.recall.value, one.recall.low, one.recall.high)
        for one in served
        if one.positives >= LEAST_POSITIVES and math.isfinite(one.recall.low)
    ]
    if not rows:
        return []
    overall = float(choice.chosen[material.outcome].mean())
    least, most = min(rows, key=lambda row: row[1]), max(rows, key=lambda row: row[1])
    described = (
        f"Share of outcomes found at {choice.name}, with 95% intervals; {overall:.0%} in all. Least in {least[0]} "
        f"({least[1]:.0%}, {least[2]:.0%} to {least[3]:.0%}), most in {most[0]} ({most[1]:.0%})."
    )
    return [plots.intervals("Found, by group", described, rows, "share of outcomes found", line=overall)]


def measures(material: Material) -> dict[str, Measured]:
    """Groups' figures at capacity, by the names that learners log them under: ``recall_sex_female``."""
    if material.scores is None:
        return {}
    choice = at_capacity(material, material.scores.values)
    found = {}
    audit = material.brief.audit
    for column in (*audit.characteristics, *audit.sites):
        for group in groups_of(material.data.holdout, column, audit.least):
            served = {
                "recall": (choice.chosen, material.outcome & group.rows),
                "precision": (material.outcome, choice.chosen & group.rows),
                "selected": (choice.chosen, group.rows),
            }
            for name, (marked, among) in served.items():
                figure = interval(*shares(marked, among, material.problem.draws))
                for spelled in (name, f"{name}_at_capacity"):
                    found[f"{spelled}_{slug(column)}_{slug(group.value)}"] = figure
    return found
