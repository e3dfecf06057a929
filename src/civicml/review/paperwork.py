"""Part 7, the dossier: what it lacks, and whether what it says is so.

Every figure is looked up in the run, and held against what this review measured where it measured the same.
It must not know what an answer should say.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from civicml.dossier import Dossier, Figure, check, figures, read
from civicml.errors import CivicmlError
from civicml.review.auditing import thresholds
from civicml.review.brief import METRICS
from civicml.review.evidence import Part, Table
from civicml.review.findings import Finding
from civicml.review.material import Material
from civicml.review.measures import HIGHER_IS_BETTER, Measured
from civicml.review.parts import not_done, part

_MOST_PROBLEMS = 60
_FAR = 4.0
"""Standard errors: dozens of figures are looked at."""


def paperwork(material: Material, measured: Mapping[str, Measured]) -> Part:
    """Read the dossier.

    Args:
        material: of the review.
        measured: what the review measured, by the names of metrics in runs.
    """
    folder = material.handed_in.folder / "dossier"
    return read_paperwork(folder, material, measured)


def read_paperwork(folder: Path, material: Material, measured: Mapping[str, Measured]) -> Part:
    """The same for the dossier in `folder`."""
    if not folder.is_dir() or not any(folder.iterdir()):
        says = (
            "The run has no dossier: nobody can say what the model is for, for whom, and what "
            "happens when it fails."
        )
        do = (
            "Write one (civicml dossier new), check it (civicml dossier check), and log the model with "
            "dossier=…."
        )
        return not_done(
            "paperwork", says, [Finding("no-dossier", "critical", "learner", "paperwork", says, do)]
        )
    try:
        dossier = read(folder)
    except CivicmlError as error:
        finding = Finding(
            "unreadable-dossier",
            "critical",
            "learner",
            "paperwork",
            str(error),
            "Mend the file, and log it again.",
        )
        return not_done("paperwork", str(error), [finding])
    problems = check(dossier)
    quoted = figures(dossier)
    rows = [_looked_up(figure, material, measured) for figure in quoted]
    tables = [
        Table(
            "Figures that the documents quote",
            (
                "document",
                "metric",
                "quoted",
                "in the run",
                "measured here",
                "from",
                "to",
                "agrees with the run",
            ),
            tuple(row for row, _ in rows),
        )
    ]
    findings = [
        *_once([finding for _, found in rows for finding in found]),
        *_problems(problems),
        *_facts(dossier, material),
        *_threshold(dossier, material),
    ]
    if problems:
        shown = tuple((p.file, p.place, p.says) for p in problems[:_MOST_PROBLEMS])
        more = f", the first {_MOST_PROBLEMS} of {len(problems)}" if len(problems) > _MOST_PROBLEMS else ""
        tables.append(Table(f"Missing or contradicted{more}", ("document", "place", "what"), shown))
    if not quoted:
        says = (
            "The dossier quotes no figure, so nothing that it says of the model's quality can be looked up."
        )
        do = "Quote the run's metrics in the model card, as [[performance.figures]]."
        findings.append(Finding("no-figures", "major", "learner", "paperwork", says, do))
    wrong = sum(not row[-1] for row, _ in rows)
    summary = (
        f"{len(quoted)} figures were looked up in the run, {wrong or 'none'} of them without agreeing; "
        f"{len(problems) or 'no'} answers are missing or contradicted."
    )
    return part("paperwork", summary, tables=tables, findings=findings)


# --- figures --------------------------------------------------------------------------------------

_Row = tuple[str, str, str, float | None, float | None, float | None, float | None, bool]


def _looked_up(
    figure: Figure, material: Material, measured: Mapping[str, Measured]
) -> tuple[_Row, list[Finding]]:
    logged = material.handed_in.metrics.get(figure.metric)
    here = measured.get(figure.metric)
    agrees = logged is not None and math.isfinite(logged) and figure.agrees_with(logged)
    row: _Row = (
        figure.file,
        figure.metric,
        str(figure.value),
        None if logged is None else float(f"{logged:.6g}"),
        None if here is None else round(here.value, 4),
        None if here is None else round(here.low, 4),
        None if here is None else round(here.high, 4),
        agrees,
    )
    found = [] if agrees else [_disagrees(figure, logged)]
    judged = figure.metric in METRICS and logged is not None  # with the run's own figures, in part 2
    if here is not None and not judged and (far := _far_from(figure, here)) is not None:
        found.append(far)
    return row, found


def _once(findings: list[Finding]) -> list[Finding]:
    """One finding for a figure that several documents quote alike."""
    kept: dict[str, Finding] = {}
    for finding in findings:
        first = kept.setdefault(finding.code, finding)
        if first is not finding:
            kept[finding.code] = replace(first, says=f"{first.says} {finding.says}")
    return list(kept.values())


def _disagrees(figure: Figure, logged: float | None) -> Finding:
    at = f"{figure.file}, {figure.place}"
    if logged is None:
        says = f"{at} quotes {figure.metric} as {figure.value}; the run has no such metric."
        do = "Log the metric in the run, or take the figure out."
        return Finding(f"figure-not-in-run:{figure.metric}", "major", "learner", "paperwork", says, do)
    says = f"{at} quotes {figure.metric} as {figure.value}; the run has {logged:.6g}."
    do = "Quote the run, with the digits you stand by."
    return Finding(f"figure-differs:{figure.metric}", "critical", "learner", "paperwork", says, do)


def _far_from(figure: Figure, here: Measured) -> Finding | None:
    """A figure that is better than what was measured, further than two samples can be apart by chance."""
    if not math.isfinite(here.error) or here.error <= 0:
        return None
    sign = 1.0 if HIGHER_IS_BETTER.get(figure.metric, True) else -1.0
    above = sign * (float(figure.value) - here.value)
    if above <= _FAR * math.sqrt(2) * here.error or above < 0.03:
        return None
    says = (
        f"{figure.file} promises {figure.metric} {figure.value} ({figure.of}); measured on the sealed "
        "hold-out it is "
        f"{here}."
    )
    do = "Find out why it is so much better on your own hold-out, and quote what you can stand by."
    return Finding(f"figure-above-measured:{figure.metric}", "major", "learner", "paperwork", says, do)


# --- facts ----------------------------------------------------------------------------------------


def _problems(problems: "tuple[object, ...]") -> list[Finding]:
    """One finding for each document: the table has the rest."""
    files: dict[str, list[str]] = {}
    for problem in problems:
        files.setdefault(getattr(problem, "file", ""), []).append(str(problem))
    return [
        Finding(
            f"incomplete:{file.split('.')[0]}",
            "major",
            "learner",
            "paperwork",
            said[0]
            if len(said) == 1
            else f"{file} lacks {len(said)} answers or contradicts others; first: {said[0]}",
            "Run 'civicml dossier check', and write what it asks for.",
        )
        for file, said in files.items()
    ]


def _facts(dossier: Dossier, material: Material) -> Iterator[Finding]:
    handed_in = material.handed_in
    true = {
        "model name": handed_in.model,
        "model version": str(handed_in.version),
        "run id": handed_in.run_id,
        "dataset": material.brief.data.dataset,
        "dataset hash": material.data.data_hash,
    }
    for name, (file, said) in shared_facts(dossier).items():
        if name not in true:
            continue
        written = str(said).removeprefix("sha256:").strip()
        if written == true[name] or (
            name == "dataset hash" and len(written) >= 12 and true[name].startswith(written)
        ):
            continue
        says = f"{file} names the {name} {written[:70]}; the version under review has {true[name]}."
        do = f"Write the {name} of the version that you hand in."
        severity = "minor" if name == "model version" else "major"
        code = f"other-{name.replace(' ', '-')}"
        yield Finding(code, severity, "learner", "paperwork", says, do)  # type: ignore[arg-type]


def shared_facts(dossier: Dossier) -> dict[str, tuple[str, object]]:
    """What the documents must agree on, such as the ``run id``: {what: (file, answer)}."""
    found: dict[str, tuple[str, object]] = {}
    for document in dossier.documents:
        for section, question in document.form.questions():
            answer = document.answer(section.name, question.name)
            if question.shares is not None and answer not in (None, ""):
                found.setdefault(question.shares, (document.form.file, answer))
    return found


def _threshold(dossier: Dossier, material: Material) -> Iterator[Finding]:
    """The threshold that the dossier states, and the one that the run used."""
    used = thresholds(material.handed_in.params)
    stated = _stated_thresholds(dossier)
    if not stated or "" not in used:
        return
    for file, value in stated:
        if 0 <= value <= 1 and not _rounds_to(used[""], value):
            says = f"{file} states a threshold of {value}; the run used {used['']:g}."
            do = "State the threshold that was used, and measure at the one that is stated."
            yield Finding("other-threshold", "critical", "learner", "paperwork", says, do)
            return


def _stated_thresholds(dossier: Dossier) -> list[tuple[str, Decimal]]:
    found = []
    for document in dossier.documents:
        for section, question in document.form.questions():
            answer = document.answer(section.name, question.name)
            if "threshold" in (question.name, question.shares) and isinstance(answer, dict):
                value = answer.get("value")
                if isinstance(value, int | Decimal) and not isinstance(value, bool):
                    found.append((document.form.file, Decimal(value)))
    return found


def _rounds_to(used: float, written: Decimal) -> bool:
    exponent = written.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return abs(Decimal(repr(used)) - written) <= Decimal((0, (5,), -digits - 1))
