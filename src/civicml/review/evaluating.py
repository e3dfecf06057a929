"""Part 2, how good the model is on cases that nobody has seen, beside the rule, a reference and its claim.

Every figure is measured here. The learner's figures are shown, compared, and used for nothing.
"""

import math
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from civicml.review import plots
from civicml.review.brief import METRICS, Floats
from civicml.review.evidence import Cell, Part, Plot, Table
from civicml.review.findings import Finding, Severity
from civicml.review.material import Material, numbers_in, pose
from civicml.review.measures import (
    HIGHER_IS_BETTER,
    NAMES,
    Calibration,
    Measured,
    calibrate,
    interval,
    select,
)
from civicml.review.parts import not_done, part
from civicml.review.sandboxed import ModelError

_FAR, _SURE = 4.0, 3.0
"""Standard errors between a claim and a measurement that cannot be, or can hardly be, chance."""
_FAR_SHARE = 0.15
_TOO_GOOD, _TOO_FAR_AHEAD = 0.9, 0.12
_MISCALIBRATED = 0.05


def evaluates(material: Material) -> Part:
    """Measure the model on the sealed hold-out."""
    asked = _asked(material)
    if material.scores is None:
        error = material.error or ModelError("raised", "gives no scores")
        if not asked:
            asked = [_no_scores(error)]
        return not_done("evaluates", f"The model could not be evaluated: it {error.says}.", asked)
    scores = material.scores.values
    if np.ptp(scores) < 1e-12:
        finding = Finding(
            "constant-scores", "critical", "learner", "evaluates",
            f"The model gives every case the same score, {scores[0]:.3g}: it tells nobody apart.",
            "Look at what the model learnt: an outcome of one kind, or inputs that are all blank.",
        )  # fmt: skip
        return part("evaluates", "All scores are the same.", findings=[*asked, finding])
    measured = measures(material)
    name = material.brief.metric.name
    against = _against(material, scores)
    calibration = calibrate(material.outcome, scores)
    tables = [_figures(material, measured), against, _calibration_table(calibration)]
    without = without_after(material)
    if without is not None:
        tables.append(_leak_table(material, measured[name], without))
    findings = [
        *asked,
        *_claims(material, measured),
        *_forged(material, measured),
        *_rivals(material, scores),
        *_too_good(material, measured),
        *_calibrated(calibration, name),
    ]
    cases = f"{len(scores):,} sealed cases from {material.brief.data.holdout_from} on"
    summary = (
        f"{NAMES[name]} is {measured[name]} on {cases}; {int(material.outcome.sum()):,} of them "
        "had the outcome."
    )
    return part(
        "evaluates", summary, tables=tables, plots=_plots(material, scores, calibration), findings=findings
    )


def measures(material: Material) -> dict[str, Measured]:
    """What a model's figures are, by the names that learners log them under; empty without scores."""
    if material.scores is None or np.ptp(material.scores.values) < 1e-12:
        return {}
    return {name: material.problem.measure(name, material.scores.values) for name in METRICS}


def claims(metrics: Mapping[str, float], name: str) -> dict[str, float]:
    """The learner's own figures of a metric, whatever they put before its name."""
    return {
        logged: value
        for logged, value in metrics.items()
        if re.fullmatch(rf"(?:(?:test|holdout|validation|val|final|model)[_./ -])?{name}", logged)
    }


# --- what it asks for -----------------------------------------------------------------------------


def _asked(material: Material) -> list[Finding]:
    found = []
    data = material.brief.data
    for name in material.facts.names:
        if name in (data.outcome, *data.after):
            says = f"The model asks for '{name}', which is known only after the decision is made: a leak."
            do = f"Take '{name}' out of the inputs, train again, and expect a lower figure."
            found.append(Finding(f"leak:{name}", "critical", "learner", "evaluates", says, do))
        elif name not in material.data.holdout.columns:
            says = f"The model asks for '{name}', a column that the brief's table does not have."
            do = "Make inputs inside the model, from the columns that the brief names."
            found.append(Finding(f"unknown-column:{name}", "critical", "learner", "evaluates", says, do))
        elif name not in data.inputs:
            protected = name in material.brief.audit.characteristics
            says = f"The model asks for '{name}', which is not among the inputs that the brief allows" + (
                ": it is a characteristic that the audit looks at." if protected else "."
            )
            do = f"Take '{name}' out of the inputs and train again."
            found.append(Finding(f"not-an-input:{name}", "major", "learner", "evaluates", says, do))
    return found


def _no_scores(error: ModelError) -> Finding:
    code = {
        "late": "too-slow", "ended": "ends-its-process", "not finite": "scores-not-finite",
        "out of range": "scores-out-of-range",
    }.get(error.why, "no-scores")  # fmt: skip
    do = {
        "late": "Make the model smaller, or its loops end: it must score the hold-out within a minute.",
        "not finite": "Find the inputs that make it NaN, most often blanks, and impute them inside the "
        "model.",
        "out of range": "Register a model that gives a probability, not a class or a raw margin.",
    }.get(error.why, "Score the brief's inputs with the logged model yourself, and mend what fails.")
    says = f"On the sealed hold-out the model {error.says}."
    return Finding(code, "critical", "learner", "evaluates", says, do)


def without_after(material: Material) -> Measured | None:
    """The metric when what is known only afterwards is blank; None where the model asks for no such thing."""
    late = [name for name in material.facts.names if name in material.brief.data.after]
    if not late or material.scores is None:
        return None
    for empty in (True, False):  # many models take no blanks; they get the same value for everybody
        frame = material.inputs(material.data.holdout).copy()
        for name in late:
            frame[name] = blanked(frame[name], material.data.before[name], empty=empty)
        try:
            scores = material.model.scores(frame).values
        except ModelError:
            continue
        return material.problem.measure(material.brief.metric.name, scores)
    return None


def blanked(column: pd.Series, usual: pd.Series, *, empty: bool) -> pd.Series:
    """The column without its information: NaN if it may be `empty`, else its most frequent value."""
    if empty and pd.api.types.is_float_dtype(column):
        return pd.Series(np.nan, index=column.index, dtype=column.dtype)
    often = usual.mode(dropna=True)
    value = often.iloc[0] if len(often) else None
    return pd.Series([value] * len(column), index=column.index).astype(column.dtype)


def _leak_table(material: Material, with_it: Measured, without: Measured) -> Table:
    rows = (("as it was registered", *_cells(with_it)), ("with that column blank", *_cells(without)))
    name = NAMES[material.brief.metric.name]
    return Table("What the leak is worth", ("model", name, "from", "to"), rows)


# --- figures --------------------------------------------------------------------------------------


def _cells(measured: Measured) -> tuple[Cell, Cell, Cell]:
    return round(measured.value, 4), round(measured.low, 4), round(measured.high, 4)


def _figures(material: Material, measured: Mapping[str, Measured]) -> Table:
    rows = []
    for name, figure in measured.items():
        own = claims(material.handed_in.metrics, name)
        claim = next(iter(own.values()), None)
        rows.append(
            (NAMES[name], *_cells(figure), claim, None if claim is None else round(claim - figure.value, 4))
        )
    capacity = f"capacity {material.brief.metric.capacity:.1%}"
    if per := material.brief.metric.per:
        capacity += f" of each {per}"
    return Table(
        f"On the sealed hold-out, at {capacity}",
        ("metric", "measured", "from", "to", "learner's own figure", "difference"),
        tuple(rows),
    )


def _against(material: Material, scores: Floats) -> Table:
    rows = []
    name = material.brief.metric.name
    for who, other in _rival_scores(material, name):
        figure = material.problem.measure(name, other)
        ahead = _ahead(material, name, scores, other)
        rows.append((who, *_cells(figure), *_cells(ahead)))
    columns = ("rival", NAMES[name], "from", "to", "model is ahead by", "at least", "at most")
    return Table("Against its rivals, on the same cases", columns, tuple(rows))


def _rival_scores(material: Material, name: str) -> list[tuple[str, Floats]]:
    reference = ("reference model (logistic regression)", material.rivals.reference)
    # A rule of thumb gives an order and no probability.
    return [reference] if name == "brier" else [("rule of thumb", material.rivals.rule), reference]


def _ahead(material: Material, name: str, one: Floats, other: Floats) -> Measured:
    """How far `one` is ahead of `other`: positive is better; on the same draws, so pairs are compared."""
    sign = 1.0 if HIGHER_IS_BETTER[name] else -1.0
    first, first_again = material.problem.replicates(name, one)
    second, second_again = material.problem.replicates(name, other)
    return interval(sign * (first - second), sign * (first_again - second_again))


def _rivals(material: Material, scores: Floats) -> list[Finding]:
    name = material.brief.metric.name
    if name == "brier":
        return []
    ahead = _ahead(material, name, scores, material.rivals.rule)
    if ahead.low > 0:
        return []
    behind = ahead.high < 0
    says = (
        f"The model is {'worse than' if behind else 'not clearly better than'} the rule of thumb: "
        f"{NAMES[name]} "
        f"differs by {ahead.value:+.3f} ({ahead.low:+.3f} to {ahead.high:+.3f})."
    )
    do = "Find out why, or use the rule: it is cheaper, and everybody understands it."
    severity: Severity = "critical" if behind else "major"
    code = "worse-than-rule" if behind else "no-better-than-rule"
    return [Finding(code, severity, "learner", "evaluates", says, do)]


def _too_good(material: Material, measured: Mapping[str, Measured]) -> list[Finding]:
    reference = material.problem.value("roc_auc", material.rivals.reference)
    own = measured["roc_auc"]
    if own.value < _TOO_GOOD or own.value - reference < _TOO_FAR_AHEAD:
        return []
    says = (
        f"The model is better than seems possible: its ROC area is {own.value:.3f}, and that of a "
        "reference model "
        f"with the allowed inputs {reference:.3f}."
    )
    do = "Look for an input that tells the outcome: one recorded afterwards, or worked out from it."
    return [Finding("too-good", "major", "learner", "evaluates", says, do)]


# --- the learner's word ---------------------------------------------------------------------------


def _claims(material: Material, measured: Mapping[str, Measured]) -> list[Finding]:
    found = []
    name = material.brief.metric.name
    if not any(claims(material.handed_in.metrics, metric) for metric in (name,)):
        says = f"The run has no metric '{name}', which the brief names."
        do = f"Log it: mlflow.log_metric('{name}', …), as you measured it on your hold-out."
        found.append(Finding("metric-not-logged", "major", "learner", "evaluates", says, do))
    harder = _harder(material)
    for metric, figure in measured.items():
        for logged, claim in claims(material.handed_in.metrics, metric).items():
            finding = judge_claim(metric, logged, claim, figure, harder.get(metric, 0.0), main=metric == name)
            if finding is not None:
                found.append(finding)
    return found


def _harder(material: Material) -> dict[str, float]:
    """By how much the sealed hold-out is harder than the published one, for the reference model."""
    later = pose(material.brief, material.data.later, replicates=1)
    harder = {}
    for name in METRICS:
        there = later.value(name, material.rivals.reference_later)
        here = material.problem.value(name, material.rivals.reference)
        lost = there - here if HIGHER_IS_BETTER[name] else here - there
        harder[name] = max(0.0, lost) if math.isfinite(lost) else 0.0
    return harder


def judge_claim(
    metric: str, logged: str, claim: float, figure: Measured, harder: float, *, main: bool
) -> Finding | None:
    """Whether a learner's figure is further above the measured one than chance and harder cases explain."""
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    if not math.isfinite(claim):
        says = f"The run's {logged} is {claim}, which is no figure."
        return Finding(
            f"claim:{logged}", "major", "learner", "evaluates", says, "Measure it again and log the number."
        )
    above = sign * (claim - figure.value) - harder
    # Both were measured on a sample, of about the same size.
    error = math.sqrt(2) * figure.error if math.isfinite(figure.error) and figure.error > 0 else 0.005
    if above <= max(_SURE * error, 0.005):
        return None
    far = above > _FAR * error and above > _FAR_SHARE * abs(figure.value)
    allowance = f", although harder cases explain {harder:.3f} of it" if harder > 0.0005 else ""
    says = (
        f"The learner's {logged} is {claim:.3f}; measured on the sealed hold-out it is {figure}. The "
        "figure is "
        f"{above + harder:.3f} too good{allowance}."
    )
    do = (
        "Find out why: a leak, a choice made on the hold-out, rows of one person on both sides of the "
        "split, or a "
        "figure that was typed in. Then measure again."
    )
    severity: Severity = ("critical" if main else "major") if far else ("major" if main else "minor")
    return Finding(f"claim-above-measured:{logged}", severity, "learner", "evaluates", says, do)


def _forged(material: Material, measured: Mapping[str, Measured]) -> list[Finding]:
    """Tags that state a figure which is not the run's."""
    found = []
    handed_in = material.handed_in
    for tag, stated in {**numbers_in(handed_in.tags), **numbers_in(handed_in.version_tags)}.items():
        name = re.split(r"[.:/ ]", tag)[-1].lower()
        logged = handed_in.metrics.get(name)
        if name not in measured and logged is None:
            continue
        if logged is not None and math.isclose(stated, logged, rel_tol=0.005, abs_tol=0.0005):
            continue
        figure = measured.get(name)
        run = "the run has no such metric" if logged is None else f"the run's metric is {logged:.4g}"
        here = f", and measured here it is {figure}" if figure is not None else ""
        says = f"The tag '{tag}' says {stated:.4g}; {run}{here}. A tag is no evidence, and was not used."
        do = f"Take the tag '{tag}' away. Log metrics as metrics."
        found.append(Finding(f"tag:{tag}", "major", "learner", "evaluates", says, do))
    return found


# --- calibration ----------------------------------------------------------------------------------


def _calibration_table(calibration: Calibration) -> Table:
    rows = tuple((round(said, 3), round(seen, 3), count) for said, seen, count in calibration.bins)
    caption = (
        f"Calibration: mean distance {calibration.error:.3f}, mean score less share "
        f"{calibration.in_the_large:+.3f}, "
        f"slope {calibration.slope:.2f}"
    )
    return Table(caption, ("mean score", "share with the outcome", "cases"), rows)


def _calibrated(calibration: Calibration, metric: str) -> list[Finding]:
    if calibration.error <= _MISCALIBRATED:
        return []
    says = (
        f"Scores are not probabilities: on average they are {calibration.error:.3f} from the share of "
        "outcomes, "
        f"{calibration.in_the_large:+.3f} in all."
    )
    do = "Calibrate the model on cases it did not learn from, or say that scores are ranks and not chances."
    severity: Severity = "major" if metric == "brier" else "minor"
    return [Finding("not-calibrated", severity, "learner", "evaluates", says, do)]


def _plots(material: Material, scores: Floats, calibration: Calibration) -> list[Plot]:
    said, seen = [one for one, _, _ in calibration.bins], [one for _, one, _ in calibration.bins]
    promised = (
        f"Ten groups of cases by score. The lowest group was given {said[0]:.2f} and had the outcome in "
        f"{seen[0]:.0%}; "
        f"the highest was given {said[-1]:.2f} and had it in {seen[-1]:.0%}."
    )
    capacities = np.array([0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
    capacity = material.brief.metric.capacity
    capacities = np.unique(np.append(capacities, capacity))
    curves = []
    for who, values in (
        ("model", scores),
        ("rule of thumb", material.rivals.rule),
        ("reference", material.rivals.reference),
    ):
        found = [_recall(material, values, part_of) for part_of in capacities]
        curves.append((who, capacities.tolist(), found))
    here = int(np.flatnonzero(capacities == capacity)[0])
    described = "; ".join(f"{who} {found[here]:.0%}" for who, _, found in curves)
    return [
        plots.lines(
            "Promised and observed", promised, [("model", said, seen)],
            ("mean score", "share with the outcome"), diagonal=True,
        ),
        plots.lines(
            "Found for the effort", f"Share of outcomes found when {capacity:.1%} of cases are acted "
                                    f"on: {described}.",
            curves, ("share of cases acted on", "share of outcomes found"), at=capacity,
        ),
    ]  # fmt: skip


def _recall(material: Material, scores: Floats, capacity: float) -> float:
    chosen = select(scores, capacity, material.problem.within)
    return float((chosen & material.outcome).sum() / material.outcome.sum())
