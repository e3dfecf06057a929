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
from scipy.stats import gamma, norm

from civicml.review import plots
from civicml.review.brief import Floats
from civicml.review.evidence import Part, Plot, Table
from civicml.review.findings import Finding, Severity
from civicml.review.material import Material
from civicml.review.measures import Bools, Measured, interval, select
from civicml.review.parts import not_done, part

LEAST_POSITIVES = 20
_GRAVE = "underserved:"
_FEW = 20
_WRONG_SCORES = 1.1
"""Outcomes to what such scores mean in general, above which scores are too low."""
_MOST_LISTED = 6
_MOST_ROWS = 12
_AT_ONCE = 24
_MOST_VALUES = 200
Table2 = np.ndarray[tuple[int, int], np.dtype[np.float64]]
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
class Ratio:
    """A ratio; `logs` are the logarithms of its replicates."""

    value: float
    logs: Floats
    least_error: float = 0.0
    """Of its logarithm: draws of a group in which nobody was chosen are all alike, and prove nothing."""
    count: float | None = None
    """How many were counted in the group, where that is what the ratio is made of."""

    def over(self, other: "Ratio") -> "Ratio":
        """This ratio set against another on the same draws."""
        value = self.value / other.value if other.value else math.nan
        return Ratio(value, self.logs - other.logs, max(self.least_error, other.least_error), self.count)

    def surely_below(self, bound: float, tries: int) -> bool:
        """Whether it is below `bound` beyond chance, when as many as `tries` groups are looked at."""
        return self._known and math.exp(self._centre + self._up(tries)) < bound

    def surely_above(self, bound: float, tries: int) -> bool:
        """The same, above."""
        return self._known and math.exp(self._centre - _far(tries) * self.error) > bound

    def _up(self, tries: int) -> float:
        """How far above its centre the logarithm may be; of few, by a Poisson limit (Garwood, 1936)."""
        if self.count is None or self.count >= _FEW:
            return _far(tries) * self.error
        most = float(gamma.ppf(1 - 0.025 / max(1, tries), self.count + 1))
        return max(_far(tries) * float(np.std(self.logs)), math.log(most / (self.count + 0.5)))

    @property
    def error(self) -> float:
        """The standard error of its logarithm."""
        return max(float(np.std(self.logs)), self.least_error, 1e-6)

    @property
    def _centre(self) -> float:
        return float(np.mean(self.logs))

    @property
    def _known(self) -> bool:
        return math.isfinite(self.value) and bool(np.isfinite(self.logs).all())


def _far(tries: int) -> float:
    """Standard errors beyond which one of `tries` lies by chance in 2.5 of 100 times (Bonferroni)."""
    return float(norm.ppf(1 - 0.025 / max(1, tries)))


@dataclass(frozen=True)
class Served:
    """How a group fares against all others.

    Attributes:
        group: whose figures they are.
        cases: how many there are.
        positives: how many of them have the outcome.
        selected: the share that is acted on.
        recall: the share of those with the outcome that is acted on.
        false_alarms: the share of those without it that is.
        selected_ratio: to everybody else's share.
        recall_ratio: to everybody else's recall.
        false_alarm_ratio: to everybody else's share of false alarms.
        as_expected: outcomes to what cases with such scores have in general: above 1, scores are too low.
    """

    group: Group
    cases: int
    positives: int
    selected: Measured
    recall: Measured
    false_alarms: Measured
    selected_ratio: Ratio
    recall_ratio: Ratio
    false_alarm_ratio: Ratio
    as_expected: Ratio


@dataclass(frozen=True)
class Choice:
    """One way to act on scores: whom the model would choose, and whom the reference would, as many."""

    name: str
    code: str
    chosen: Bools
    reference: Bools
    barred: frozenset[str] = frozenset()
    """Groups whose threshold is higher than others'."""


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
            served = _served(material, choice.chosen, scores, groups)
            beside = _served(material, choice.reference, material.rivals.reference, groups)
            tables += [_table(choice, kind, served, beside, short=kind != "characteristic")] if served else []
            findings += _judge(material, choice, served, beside, named)
        tables.append(_gaps(material, choice, single))
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
    barred = set()
    for whom, value in told.items():
        group = group_named(material, whom) if whom else None
        if group is not None:
            limits[group.rows] = value
            barred |= {group.name} if value > min(told.values()) else set()
    if np.isnan(limits).any():
        return []
    chosen = scores >= limits
    if not chosen.any() or chosen.all():
        return []
    as_many = select(material.rivals.reference, float(chosen.mean()), np.zeros(len(scores), dtype=np.int64))
    return [Choice("the threshold in use", "at-threshold:", chosen, as_many, frozenset(barred))]


def group_named(material: Material, whom: str) -> Group | None:
    """The group that a parameter's name means, such as ``practice_p07`` or ``p07``."""
    audit, frame = material.brief.audit, material.data.holdout
    for column in dict.fromkeys((*audit.sites, *audit.characteristics, *material.brief.data.inputs)):
        words = frame[column].astype(object).astype(str)
        if words.nunique() > _MOST_VALUES:
            continue
        for value in words.unique():
            if slug(whom) in (slug(value), slug(f"{column}_{value}")):
                return Group(column, str(value), (words == value).to_numpy())
    return None


def slug(text: str) -> str:
    """A value as it stands in a metric's name: ``1, most deprived`` is ``1_most_deprived``."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _unequal_thresholds(material: Material) -> list[Finding]:
    told = thresholds(material.handed_in.params)
    if len(set(told.values())) < 2:
        return []
    shown = ", ".join(f"{whom or 'all others'} {value:g}" for whom, value in sorted(told.items()))
    says = f"The run uses thresholds that differ by group: {shown}."
    do = (
        "Use one threshold, or say in the equality analysis who is served less because of it, and why "
        "that is right."
    )
    return [Finding("thresholds-differ", "major", "learner", "audits", says, do)]


# --- how groups fare ------------------------------------------------------------------------------


def _served(material: Material, chosen: Bools, scores: Floats, groups: list[Group]) -> list[Served]:
    """How each group fares: all counts of all groups in one product with the draws."""
    if not groups:
        return []
    outcome = material.outcome
    everyone = np.ones(len(outcome), dtype=bool)
    kinds = np.column_stack([everyone, outcome, chosen, chosen & outcome, _expected(outcome, scores)])
    whole = _counts(material, [everyone], kinds)[0]
    served = []
    for group, own in zip(groups, _counts(material, [group.rows for group in groups], kinds), strict=True):
        rest = whole - own
        (selected, more), (recall, found), (alarms, alarmed) = (
            (_interval(own, *pair), _ratio(own, rest, *pair))
            for pair in ((_CHOSEN, _ALL), (_HIT, _POSITIVE), (_ALARM, _NEGATIVE))
        )
        as_expected = _ratio(own, whole, _POSITIVE, _EXPECTED)
        cases, positives = int(own[0, 0]), int(own[0, 1])
        served.append(
            Served(group, cases, positives, selected, recall, alarms, more, found, alarmed, as_expected)
        )
    return served


def _expected(outcome: Bools, scores: Floats) -> Floats:
    """What cases with such scores have in general: the scores, calibrated on everybody."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(scores, outcome.astype(np.float64))
    return np.asarray(fitted.predict(scores), dtype=np.float64)


_ALL, _POSITIVE, _CHOSEN, _HIT, _EXPECTED = (np.array(one) for one in np.eye(5))
_NEGATIVE, _ALARM = _ALL - _POSITIVE, _CHOSEN - _HIT
"""How the five counts of a group add up to each that is wanted."""


def _counts(material: Material, groups: list[Bools], kinds: Table2) -> list[Table2]:
    """For each group the sum of each kind: a first row as they are, then one for each draw."""
    weights = material.problem.draws.weights
    plain = kinds.astype(np.float32)
    found: list[Table2] = []
    for start in range(0, len(groups), _AT_ONCE):
        some = groups[start : start + _AT_ONCE]
        columns = np.hstack([plain * rows[:, None] for rows in some])
        counts = np.vstack([columns.sum(axis=0, dtype=np.float64), weights @ columns]).astype(np.float64)
        found += np.split(counts, len(some), axis=1)
    return found


def _interval(counts: Table2, marked: Floats, among: Floats) -> Measured:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (counts @ marked) / (counts @ among)
    return interval(float(found[0]), found[1:])


def _ratio(own: Table2, other: Table2, marked: Floats, among: Floats) -> Ratio:
    """The share of one to the share of the other; half a case is added, so that none has a logarithm too."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first = (own @ marked + 0.5) / (own @ among + 0.5)
        second = (other @ marked + 0.5) / (other @ among + 0.5)
        logs = np.log(first[1:]) - np.log(second[1:])
        count, of = float(own[0] @ marked), float(own[0] @ among)
        value = (count / of) / float(second[0]) if of else math.nan
    share = min(1.0, count / of) if of else 0.0
    return Ratio(value, logs, math.sqrt((1 - share) / (count + 0.5)), count)


def _judge(
    material: Material, choice: Choice, served: list[Served], beside: list[Served], named: set[str]
) -> Iterator[Finding]:
    """Findings on groups of one kind.

    A group with less risk is found less often by any score. So a gap alone is no fault of the model. It is
    one where the reference has it less, and the group's scores are too low for its outcomes or its bar is
    higher.
    """
    bound, tries = material.brief.audit.four_fifths, len(served)
    found: dict[tuple[str, str], list[tuple[Served, Served]]] = {}
    worse_in: set[str] = set()
    for one, reference in zip(served, beside, strict=True):
        kinds: list[str] = []
        # A pair may be served so because one of its two groups is; a lesser fault there hides no graver one.
        parts = _parts_of(one.group)
        less = one.positives >= LEAST_POSITIVES and one.recall_ratio.surely_below(bound, tries)
        worse = less and one.recall_ratio.over(reference.recall_ratio).surely_below(bound, tries)
        low = one.as_expected.surely_above(_WRONG_SCORES, tries)
        if (
            worse
            and (low or one.group.name in choice.barred)
            and not named & {f"{_GRAVE}{of}" for of in parts}
        ):
            named |= {one.group.name, f"{_GRAVE}{one.group.name}"}
            yield _underserved(choice, one, reference)
            continue
        if named & set(parts):
            continue
        if less and (worse or one.group.column in material.brief.audit.characteristics):
            # Of pairs of characteristics and of sites, what the cases bring is in the table.
            kinds.append("less")
            worse_in |= {one.group.column} if worse else set()
        elif low and not reference.as_expected.surely_above(1.0, tries):
            kinds.append("low")
        alarmed = one.false_alarm_ratio.over(reference.false_alarm_ratio).surely_above(1 / bound, tries)
        over = one.false_alarm_ratio.surely_above(1 / bound, tries)
        if over and alarmed and one.as_expected.surely_below(1 / _WRONG_SCORES, tries):
            kinds.append("alarmed")
        for kind in kinds:
            named.add(one.group.name)
            found.setdefault((kind, one.group.column), []).append((one, reference))
    for (kind, column), pairs in found.items():
        if kind == "less":
            yield _found_less(choice, column, pairs, worse=column in worse_in)
        else:
            yield (_low if kind == "low" else _alarmed)(choice, column, pairs)


def _parts_of(group: Group) -> list[str]:
    columns, values = group.column.split(" and "), group.value.split(" and ")
    return [f"{column}={value}" for column, value in zip(columns, values, strict=False)]


def _underserved(choice: Choice, one: Served, reference: Served) -> Finding:
    why = (
        "its threshold is higher"
        if one.group.name in choice.barred
        else f"its outcomes are {one.as_expected.value:.2f} times what cases with such scores have in general"
    )
    says = (
        f"At {choice.name}, of those with the outcome in {one.group.name} ({one.positives:,} cases) "
        f"{one.recall.value:.0%} are found ({one.recall.low:.0%} to {one.recall.high:.0%}), "
        f"{one.recall_ratio.value:.2f} of everybody else's share; the reference model finds "
        f"{reference.recall_ratio.value:.2f} of it. The model makes this gap: {why}."
    )
    do = (
        "Find what the model does to this group (an input, a threshold, records that are missing there) "
        "and mend "
        "it; then show the figure by group in the model card."
    )
    return Finding(f"underserved:{choice.code}{one.group.name}", "critical", "learner", "audits", says, do)


def _listed(pairs: list[tuple[Served, Served]], name: str) -> str:
    shown = [
        f"{one.group.value} {getattr(one, name).value:.2f} (reference {getattr(reference, name).value:.2f})"
        for one, reference in sorted(pairs, key=lambda two: getattr(two[0], name).value)[:_MOST_LISTED]
    ]
    return "; ".join(shown) + (f"; and {len(pairs) - len(shown)} more" if len(pairs) > len(shown) else "")


def _found_less(choice: Choice, column: str, pairs: list[tuple[Served, Served]], *, worse: bool) -> Finding:
    says = (
        f"At {choice.name}, outcomes are found less often in some groups of '{column}', as a ratio to "
        "everybody "
        f"else: {_listed(pairs, 'recall_ratio')}. "
        + (
            "The reference model does clearly better in some, though the scores there fit the outcomes."
            if worse
            else "The cases bring it with them: the reference model does little better."
        )
    )
    do = (
        "Answer it in the equality analysis: who is missed, what that costs them, and what else reaches them."
    )
    severity: Severity = "major" if worse else "minor"
    return Finding(f"found-less:{choice.code}{column}", severity, "learner", "audits", says, do)


def _alarmed(choice: Choice, column: str, pairs: list[tuple[Served, Served]]) -> Finding:
    says = (
        f"At {choice.name}, some groups of '{column}' are chosen in error more often than everybody "
        "else, as a "
        f"ratio: {_listed(pairs, 'false_alarm_ratio')}. Their scores are too high for their outcomes."
    )
    do = "Find what sets these groups' scores too high, and say what being chosen in error costs them."
    return Finding(f"false-alarms:{choice.code}{column}", "major", "learner", "audits", says, do)


def _low(choice: Choice, column: str, pairs: list[tuple[Served, Served]]) -> Finding:
    says = (
        f"Scores are too low for the outcomes of some groups of '{column}', as outcomes to what cases "
        "with such "
        f"scores have in general: {_listed(pairs, 'as_expected')}. The reference model's are not."
    )
    do = "Look at how the model treats these groups, and whether an input is recorded otherwise there."
    return Finding(f"scores-low:{choice.code}{column}", "major", "learner", "audits", says, do)


# --- tables and pictures --------------------------------------------------------------------------


def _table(choice: Choice, kind: str, served: list[Served], beside: list[Served], *, short: bool) -> Table:
    both = (
        sorted(zip(served, beside, strict=True), key=lambda two: _order(two[0]))
        if short
        else list(zip(served, beside, strict=True))
    )
    rows = tuple(
        (
            one.group.name, one.cases, one.positives, str(one.selected), str(one.recall),
            str(one.false_alarms),
            _rounded(one.selected_ratio.value), _rounded(one.recall_ratio.value),
            _rounded(other.recall_ratio.value),
            _rounded(one.as_expected.value),
        )
        for one, other in both[: _MOST_ROWS if short else None]
    )  # fmt: skip
    shown = f", the {len(rows)} served least of {len(served)}" if short and len(rows) < len(served) else ""
    return Table(
        f"By {kind}, at {choice.name}{shown}",
        (
            "group", "cases", "with the outcome", "chosen", "found of those with it",
            "chosen of those without",
            "chosen, ratio to the rest", "found, ratio to the rest", "the same, reference model",
            "outcomes to expected",
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
            chance = _shares_in(chosen, everyone, own)
            hit = _shares_in(chosen, material.outcome, own)
            alarm = _shares_in(chosen, ~material.outcome, own)
            least = min(chance, default=math.nan) / (max(chance, default=math.nan) or math.nan)
            row += [_rounded(least), *(_rounded(float(np.ptp(one))) if one else None for one in (hit, alarm))]
        rows.append(tuple(row))
    names = ("least chosen to most chosen", "gap in found", "gap in chosen without the outcome")
    return Table(
        f"Four fifths and equalised odds, at {choice.name}",
        ("characteristic", *names, *(f"{name}, reference" for name in names)),
        tuple(rows),
    )


def _shares_in(chosen: Bools, among: Bools, groups: list[Bools]) -> list[float]:
    """The chosen share of each group that is large enough."""
    parts = [rows & among for rows in groups]
    return [float(chosen[rows].mean()) for rows in parts if rows.sum() >= LEAST_POSITIVES]


def _rounded(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _plot(material: Material, choice: Choice, groups: list[Group], scores: Floats) -> list[Plot]:
    served = _served(material, choice.chosen, scores, groups)
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
        f"Share of outcomes found at {choice.name}, with 95% intervals; {overall:.0%} in all. Least in "
        f"{least[0]} "
        f"({least[1]:.0%}, {least[2]:.0%} to {least[3]:.0%}), most in {most[0]} ({most[1]:.0%})."
    )
    return [plots.intervals("Found, by group", described, rows, "share of outcomes found", line=overall)]


def measures(material: Material) -> dict[str, Measured]:
    """Groups' figures at capacity, by the names that learners log them under: ``recall_sex_female``."""
    if material.scores is None:
        return {}
    scores = material.scores.values
    audit, frame = material.brief.audit, material.data.holdout
    columns = dict.fromkeys((*audit.characteristics, *audit.sites))
    groups = [group for column in columns for group in groups_of(frame, column, audit.least)]
    found = {}
    for one in _served(material, at_capacity(material, scores).chosen, scores, groups):
        whom = f"{slug(one.group.column)}_{slug(one.group.value)}"
        for name, figure in (("recall", one.recall), ("selected", one.selected)):
            found[f"{name}_{whom}"] = found[f"{name}_at_capacity_{whom}"] = figure
    return found
