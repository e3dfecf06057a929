"""Part 4, what the model does on a bad day: blanks, new values, doubles, another year, another system.

It must not know why a model fails, only that it does.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from civicml.review import plots
from civicml.review.brief import Floats
from civicml.review.evidence import Cell, Part, Plot, Table
from civicml.review.findings import Finding, Severity
from civicml.review.material import SEED, Material, pose
from civicml.review.measures import HIGHER_IS_BETTER, NAMES, interval
from civicml.review.parts import not_done, part
from civicml.review.sandboxed import ModelError

_SAMPLE = 4000
_SLOW, _TOO_SLOW = 2.0, 20.0
"""Seconds for a thousand rows."""
_MUCH_MEMORY = 1 << 30
_UNSEEN = "Not seen before"
_NOISE = 1e-6
_LOST = 0.2
"""Of what the model is ahead of a list drawn by lot: more is a finding."""


def stresses(material: Material) -> Part:
    """Try bad days one by one."""
    if material.scores is None:
        return not_done("stresses", "There are no scores, so nothing can be tried.")
    frame = material.inputs(material.data.holdout)
    sample = frame.head(_SAMPLE)
    trials = [
        *_blanks(material, sample),
        *_missing_columns(material, sample),
        *_unseen(material, sample),
        *_out_of_range(material, sample),
        *_batches(material, sample),
    ]
    rows = tuple((trial, outcome) for trial, outcome, _ in trials)
    findings = [finding for *_, finding in trials if finding is not None]
    tables = [Table("Bad days", ("trial", "what came of it"), rows)]
    table, found = _changes(material, frame)
    tables += [table] if table.rows else []
    findings += found
    table, pictures, found = _through_time(material)
    tables.append(table)
    findings += found
    table, found = _costs(material, sample)
    tables.append(table)
    findings += found
    failed = sum(finding is not None for *_, finding in trials)
    return part(
        "stresses",
        f"{len(trials)} trials with bad input: the model failed {failed or 'none'} of them.",
        tables=tables,
        plots=pictures,
        findings=_together(findings),
    )


Trial = tuple[str, str, Finding | None]


def _try(
    material: Material, name: str, frame: pd.DataFrame, code: str, do: str, *, severity: Severity = "major"
) -> Trial:
    try:
        scores = material.model.scores(frame).values
    except ModelError as error:
        says = f"With {name} the model {error.says}."
        return name, f"it {error.says}", Finding(code, severity, "learner", "stresses", says, do)
    return name, f"scores from {scores.min():.3f} to {scores.max():.3f}", None


def _blanks(material: Material, sample: pd.DataFrame) -> Iterator[Trial]:
    do = "Impute blanks inside the model, so that it scores a case whose record is incomplete."
    for column in sample.columns:
        blank = _blank(sample[column])
        if blank is not None:
            frame = sample.assign(**{column: blank})
            # Where the frame has no blanks, one is no everyday thing.
            usual = bool(material.data.before[column].isna().any())
            severity: Severity = "major" if usual else "minor"
            yield _try(
                material, f"'{column}' blank", frame, f"fails-on-blank:{column}", do, severity=severity
            )


def _blank(column: pd.Series) -> "pd.Series | None":
    kind = column.dtype
    if (
        pd.api.types.is_float_dtype(kind)
        or pd.api.types.is_extension_array_dtype(kind)
        or pd.api.types.is_object_dtype(kind)
    ):
        return pd.Series([None] * len(column), index=column.index).astype(kind)
    return None  # whole numbers and yes/no have no blank in a frame


def _missing_columns(material: Material, sample: pd.DataFrame) -> Iterator[Trial]:
    """A column that is not there must be an error: scores without it would be guesses that nobody sees."""
    column = sample.columns[0]
    name = f"no column '{column}' at all"
    try:
        material.model.scores(sample.drop(columns=column))
    except ModelError as error:
        if error.why == "raised":
            yield name, "refused, as it should be", None
            return
        says = f"With {name} the model {error.says}, where it should refuse."
    else:
        says = f"With {name} the model gives scores all the same, where it should refuse."
    do = "Let the model name the columns that it needs, and stop without them."
    finding = Finding("scores-without-a-column", "minor", "learner", "stresses", says, do)
    yield name, "scored all the same", finding


def _unseen(material: Material, sample: pd.DataFrame) -> Iterator[Trial]:
    do = "Let the model take values that it has not seen, such as OneHotEncoder(handle_unknown='ignore')."
    for column in sample.columns:
        values = sample[column]
        if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
            continue
        kind = values.dtype
        if isinstance(kind, pd.CategoricalDtype):
            kind = pd.CategoricalDtype([*values.cat.categories, _UNSEEN])
        new = pd.Series([_UNSEEN] * len(values), index=values.index).astype(kind)
        frame = sample.assign(**{column: new})
        yield _try(material, f"a new value in '{column}'", frame, f"fails-on-new-value:{column}", do)


def _out_of_range(material: Material, sample: pd.DataFrame) -> Iterator[Trial]:
    do = "Clip or check numbers inside the model, so that a slip of the pen gives no score outside 0 to 1."
    numbers = [c for c in sample.columns if _is_number(sample[c])]
    for name, times in (("ten times the largest", 10), ("minus the largest", -1)):
        changed = {}
        for column in numbers:
            most = float(
                np.nanmax(np.abs(sample[column].to_numpy(dtype=float, na_value=np.nan)), initial=1.0)
            )
            changed[column] = pd.Series([most * times] * len(sample), index=sample.index).astype(
                sample[column].dtype, errors="ignore"
            )
        if changed:
            frame = sample.assign(**changed)
            yield _try(material, f"every number {name}", frame, "fails-out-of-range", do)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _batches(material: Material, sample: pd.DataFrame) -> Iterator[Trial]:
    """A case's score may not hang on who else is scored."""
    scores = material.scores
    if scores is None:
        return
    usual = scores.values[: len(sample)]
    doubled = pd.concat([sample, sample.head(200)], ignore_index=True)
    mixed = np.random.default_rng(SEED).permutation(len(sample))
    few = np.arange(min(20, len(sample)))
    for name, frame, expected in (
        ("rows twice", doubled, np.concatenate([usual, usual[:200]])),
        ("rows in another order", sample.iloc[mixed].reset_index(drop=True), usual[mixed]),
        ("twenty rows by themselves", sample.iloc[few], usual[few]),
    ):
        try:
            found = material.model.scores(frame).values
        except ModelError as error:
            says = f"With {name} the model {error.says}."
            do = "Score the same rows in another order yourself, and mend what fails."
            yield (
                name,
                f"it {error.says}",
                Finding("fails-on-doubles", "major", "learner", "stresses", says, do),
            )
            continue
        apart = float(np.abs(found - expected).max(initial=0.0))
        if apart <= _NOISE:
            yield name, "the same scores", None
            continue
        says = f"With {name} scores change by up to {apart:.3f}: a case's score hangs on who else is scored."
        do = "Work out means, ranks and the like when the model is fitted, not when it predicts."
        finding = Finding("depends-on-the-batch", "major", "learner", "stresses", says, do)
        yield name, f"scores change by up to {apart:.3f}", finding


def _together(findings: list[Finding]) -> list[Finding]:
    """One finding for each kind of fault: the columns are listed in it."""
    kept: dict[str, list[Finding]] = {}
    for finding in findings:
        kept.setdefault(finding.code.split(":")[0], []).append(finding)
    joined = []
    for code, same in kept.items():
        gravest = min(same, key=lambda one: ("critical", "major", "minor").index(one.severity))
        if len(same) == 1 or ":" not in gravest.code or code == "recoding":
            joined += same if code == "recoding" else [gravest]
            continue
        columns = ", ".join(f"'{one.code.split(':', 1)[1]}'" for one in same)
        says = f"{gravest.says} So it is with {len(same)} columns: {columns}."
        joined.append(Finding(code, gravest.severity, "learner", "stresses", says, gravest.do))
    return joined


# --- another year, another system -----------------------------------------------------------------


def _changes(material: Material, frame: pd.DataFrame) -> tuple[Table, list[Finding]]:
    drift = material.brief.drift
    name = material.brief.metric.name
    rows: list[tuple[Cell, ...]] = []
    findings = []
    trials: list[tuple[str, str, pd.Series]] = []
    for column, mapping in drift.recoded.items():
        if column in frame.columns:
            plain = frame[column].astype(object)
            changed = plain.replace(mapping)
            shown = ", ".join(f"{old} as {new}" for old, new in mapping.items())
            trials.append(
                (f"'{column}' recorded otherwise: {shown}", column, _as_before(changed, frame[column]))
            )
    for column, step in drift.shifted.items():
        if column in frame.columns:
            moved = (frame[column].astype(float) + step).astype(frame[column].dtype, errors="ignore")
            trials.append((f"'{column}' a year on: {step:+g}", column, moved))
    usual, usual_again = material.problem.replicates(name, _usual(material))
    chance, _ = material.problem.replicates(name, np.random.default_rng(SEED).random(len(frame)))
    sign = 1.0 if HIGHER_IS_BETTER[name] else -1.0
    for shown, column, changed in trials:
        try:
            scores = material.model.scores(frame.assign(**{column: changed})).values
        except ModelError as error:
            says = f"With {shown} the model {error.says}."
            do = "Let the model take values that it has not seen."
            findings.append(Finding(f"recoding:{column}", "major", "learner", "stresses", says, do))
            rows.append((shown, None, None, None, f"it {error.says}"))
            continue
        value, again = material.problem.replicates(name, scores)
        lost = interval(sign * (usual - value), sign * (usual_again - again))
        rows.append((shown, round(value, 4), round(-lost.high, 4), round(-lost.low, 4), ""))
        worth = abs(usual - chance)
        if lost.low > 0 and worth and lost.value / worth > _LOST:
            says = (
                f"With {shown}, {NAMES[name]} falls from {usual:.3f} to {value:.3f}: "
                f"{lost.value / worth:.0%} of what "
                "the model is worth."
            )
            do = f"Say in the monitoring plan how a change in '{column}' is noticed, and what is done then."
            findings.append(Finding(f"recoding:{column}", "minor", "learner", "stresses", says, do))
    columns = ("change", NAMES[name], "difference, from", "to", "note")
    return Table("Another year, another system", columns, tuple(rows)), findings


def _usual(material: Material) -> Floats:
    if material.scores is None:
        raise ValueError("there are no scores")
    return material.scores.values


def _as_before(changed: pd.Series, before: pd.Series) -> pd.Series:
    if isinstance(before.dtype, pd.CategoricalDtype):
        known = list(before.cat.categories)
        return changed.astype(pd.CategoricalDtype([*known, *sorted(set(changed.dropna()) - set(known))]))
    return changed.astype(before.dtype)


def _through_time(material: Material) -> tuple[Table, list[Plot], list[Finding]]:
    """The metric quarter by quarter of the hold-out: does it fade?"""
    frame, name = material.data.holdout, material.brief.metric.name
    spans = frame[material.brief.data.moment].dt.to_period("Q").astype(str).to_numpy()
    rows = []
    scores = _usual(material)
    for span in sorted(set(spans)):
        of = spans == span
        part_of = frame[of].reset_index(drop=True)
        if len(part_of) < material.brief.audit.least or part_of[material.brief.data.outcome].nunique() < 2:
            continue
        problem = pose(material.brief, part_of)
        own, rule = problem.measure(name, scores[of]), problem.measure(name, material.rivals.rule[of])
        shown = None if name == "brier" else round(rule.value, 4)
        rows.append((str(span), len(part_of), own, shown))
    table = Table(
        "Quarter by quarter",
        ("quarter", "cases", NAMES[name], "from", "to", "rule of thumb"),
        tuple(
            (span, n, round(m.value, 4), round(m.low, 4), round(m.high, 4), rule) for span, n, m, rule in rows
        ),
    )
    if len(rows) < 2:
        return table, [], []
    first, last = rows[0][2], rows[-1][2]
    described = (
        f"{NAMES[name]} by quarter, with 95% intervals: {first.value:.3f} in {rows[0][0]} and "
        f"{last.value:.3f} in "
        f"{rows[-1][0]}."
    )
    drawn = [(span, m.value, m.low, m.high) for span, _, m, _ in rows]
    picture = plots.intervals("Quarter by quarter", described, drawn, NAMES[name])
    better = HIGHER_IS_BETTER[name]
    faded = last.high < first.low if better else last.low > first.high
    findings = []
    if faded:
        says = f"The model fades: {NAMES[name]} was {first} in {rows[0][0]} and is {last} in {rows[-1][0]}."
        do = "Plan when the model is trained again, and what figure calls for it."
        findings.append(Finding("fades", "minor", "learner", "stresses", says, do))
    return table, [picture], findings


# --- what it costs --------------------------------------------------------------------------------


def _costs(material: Material, sample: pd.DataFrame) -> tuple[Table, list[Finding]]:
    columns = ("per 1,000 rows", "figure")
    thousand = pd.concat([sample] * (1000 // max(1, len(sample)) + 1), ignore_index=True).head(1000)
    try:
        told, _ = material.model.ask("time", thousand)
        seconds, room = float(told["seconds"]), float(told["bytes"])
    except (ModelError, TypeError, KeyError, ValueError):
        return Table("Time and memory", columns, (("it could not be timed", None),)), []
    rows = (
        ("seconds, one core", round(seconds, 4)),
        ("megabytes above what the model takes", round(room / 2**20, 1)),
    )
    findings = []
    if seconds > _SLOW:
        severity: Severity = "major" if seconds > _TOO_SLOW else "minor"
        says = f"A thousand rows take {seconds:.1f} seconds on one core."
        do = "Make the model smaller, or say that it runs overnight."
        findings.append(Finding("slow", severity, "learner", "stresses", says, do))
    if room > _MUCH_MEMORY:
        says = f"A thousand rows take {room / 2**30:.1f} GB of memory."
        do = "Score in smaller pieces, or with a smaller model."
        findings.append(Finding("much-memory", "minor", "learner", "stresses", says, do))
    return Table("Time and memory", columns, rows), findings
