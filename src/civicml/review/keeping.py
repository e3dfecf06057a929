"""Keeps a review: in the cohort, where learners cannot write; in the record; and with the version, in MLflow.

What the record says is shown in MLflow last, and again if that was cut short. It must not know the rules of
deciding.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.cohort.directory import write_text
from civicml.errors import CivicmlError
from civicml.review import registry
from civicml.review.answers import FILE, read_answers, to_fill_in, unanswered
from civicml.review.brief import load_brief
from civicml.review.evidence import Part, Review
from civicml.review.findings import SEVERITIES, Finding
from civicml.review.record import Entry, Record, read, writing
from civicml.review.review_page import review_page
from civicml.review.story import CORRECTED, REVIEWED, SHOWN, VERDICTS, Story, findings_of, story
from civicml.tracking.artefacts import Refused

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from civicml.review.reviewing import Report

FOLDER = "reviews"
RECORD = "decisions.jsonl"
_NOT_FETCHED = "not fetched"


@dataclass(frozen=True)
class Kept:
    """A review that is on the record.

    Attributes:
        round: which round it belongs to.
        page: the page, in the cohort.
        review: as it was kept: with the findings of the round before that are not answered.
    """

    round: int
    page: Path
    review: Review


def record_path(cohort: Path) -> Path:
    """Where a cohort's record of reviews and decisions is."""
    return cohort / FOLDER / RECORD


def consists_of(cohort: Path, model: str, version: str) -> str:
    """The hash of what a version consists of now; taken before a review begins, given to `attach` after it.

    Raises:
        CivicmlError: there is no such version, or it cannot be fetched.
    """
    with registry.registry(cohort) as client:
        found = registry.find_version(client, model, version)
        with registry.fetched(found) as folder:
            return registry.contents(client, found, folder)


def review_on_record(
    cohort: Path, model: str, version: str, *, root: Path | None = None, report: "Report | None" = None
) -> Kept:
    """Review a version and keep the review, if the version is still what it was when the review began.

    Args:
        cohort: the cohort's directory.
        model: the registered model's name.
        version: its version.
        root: the course's directory; by default the one around the working directory.
        report: told of every step.

    Raises:
        CivicmlError: there is no such version, brief or sealed table, no sandbox on this machine, or the
            version changed meanwhile.
    """
    from civicml.review.reviewing import review

    try:
        began_with = consists_of(cohort, model, version)
    except Refused:
        began_with = _NOT_FETCHED
    with registry.at(cohort):
        made = review(model, version, cohort=cohort, root=root, report=report)
    return attach(cohort, made, reviewed=began_with)


def attach(cohort: Path, review: Review, *, reviewed: str = "", now: datetime | None = None) -> Kept:
    """Put a review on the record and beside its version: ``review/round-N/`` among the run's artefacts.

    Findings of the round before that the dossier's ``answers.toml`` does not answer become findings of this
    review.

    Args:
        cohort: the cohort's directory.
        review: what was measured.
        reviewed: what `consists_of` said before; a version that is another now is refused.
        now: when, for tests.

    Raises:
        CivicmlError: the version changed since, or the record or the registry cannot be written.
    """
    with registry.registry(cohort) as client, writing(record_path(cohort)) as book:
        tale = caught_up(client, cohort, book, review.model)
        version = registry.find_version(client, review.model, review.version)
        holds, answers, review = _held_against(client, version, tale, review)
        if version.run_id != review.run_id or (reviewed and holds and holds != reviewed):
            raise CivicmlError(
                f"Version {review.version} of '{review.model}' changed while it was reviewed, so this review "
                "is of something that is no more. Review it again."
            )
        text = review.to_json()
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        try:
            _folder(cohort, review.model).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CivicmlError(f"The review cannot be kept: {error.strerror or error}.") from error
        write_text(_file(cohort, review.model, sha256), text, mode=0o600)
        book.append(
            REVIEWED,
            {
                "model": review.model,
                "version": review.version,
                "run_id": review.run_id,
                "round": tale.round,
                "authors": sorted({*version.authors, review.learner} - {""}),
                "counts": {severity: review.count(severity) for severity in SEVERITIES},
                "sha256": sha256,
                "contents": holds,
                "answers": answers,
            },
            now,
        )
        publish(client, cohort, book, review.model)
        return Kept(tale.round, page_path(cohort, review.model, review.version, tale.round), review)


def _held_against(
    client: "MlflowClient", version: registry.Version, tale: Story, review: Review
) -> tuple[str, dict[str, str], Review]:
    """What the version consists of, its answers, and the review with what they leave open."""
    if review.refused:
        return "", {}, review
    with registry.fetched(version) as folder:
        holds = registry.contents(client, version, folder)
        try:
            answers = read_answers(folder / "dossier")
        except CivicmlError as error:
            broken = Finding(
                "answers",
                "major",
                "learner",
                "paperwork",
                str(error),
                f"Put {FILE} right and keep it in the dossier.",
            )
            return holds, {}, _with(review, [broken])
    lacking = unanswered(tale.to_answer, answers)
    return holds, answers, _with(review, [_not_answered(finding) for finding in lacking])


def _not_answered(finding: Finding) -> Finding:
    code = finding.code if finding.code.startswith("unanswered:") else f"unanswered:{finding.code}"
    return Finding(
        code,
        "major",
        "learner",
        "paperwork",
        f"A finding of the round before is not answered: {finding.says}",
        f"Say in {FILE}, under '{finding.code}', what changed or why it stays. {finding.do}",
    )


def _with(review: Review, findings: list[Finding]) -> Review:
    """The review with further findings about the paperwork, each code once."""
    known = {finding.code for finding in review.findings}
    new = tuple(finding for finding in findings if finding.code not in known)
    if not new:
        return review
    parts = list(review.parts)
    place = next((number for number, part in enumerate(parts) if part.name == "paperwork"), None)
    if place is None:
        return replace(review, parts=(*parts, Part("paperwork", "Paperwork", "findings", "", findings=new)))
    part = parts[place]
    state = "findings" if part.state == "clear" else part.state
    parts[place] = replace(part, state=state, findings=(*part.findings, *new))
    return replace(review, parts=tuple(parts))


# --- reading it back ------------------------------------------------------------------------------


def last_review(cohort: Path, model: str, version: str) -> Kept | None:
    """The newest review of a version that is on the record; None before the first.

    Raises:
        CivicmlError: the record is not whole, or the review is not what was recorded.
    """
    facts = {"model": model, "version": version}
    entries = [
        entry
        for entry in read(record_path(cohort))
        if entry.kind == REVIEWED and facts.items() <= entry.facts.items()
    ]
    if not entries:
        return None
    number = int(entries[-1].facts["round"])
    return Kept(number, page_path(cohort, model, version, number), evidence(cohort, entries[-1]))


def evidence(cohort: Path, entry: Entry) -> Review:
    """The review that an entry of the record is about.

    Raises:
        CivicmlError: its file is gone, or is not what was recorded.
    """
    path = _file(cohort, entry.facts["model"], entry.facts["sha256"])
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CivicmlError(
            f"The review on line {entry.number} of the record cannot be read ({error.strerror}): '{path}'. "
            "Review the version again."
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.facts["sha256"]:
        raise CivicmlError(f"'{path}' is not the review that was recorded. Review the version again.")
    return Review.from_json(content.decode())


def page_path(cohort: Path, model: str, version: str, round_: int) -> Path:
    """Where the page of a version's round is, in the cohort."""
    return _folder(cohort, model) / f"version-{version}-round-{round_}.html"


def _folder(cohort: Path, model: str) -> Path:
    return cohort / FOLDER / registry.valid_name(model)


def _file(cohort: Path, model: str, sha256: str) -> Path:
    return _folder(cohort, model) / f"review-{sha256[:16]}.json"


# --- showing it in MLflow -------------------------------------------------------------------------


def caught_up(client: "MlflowClient", cohort: Path, book: Record, model: str) -> Story:
    """A model's story, once MLflow shows all of it; aliases that somebody moved are put back, on the record.

    Raises:
        CivicmlError: the registry names lines that the record lacks, or cannot be written.
    """
    tale = story(registry.valid_name(model), book.entries)
    if lost := registry.missing_lines(client, tale):
        raise CivicmlError(
            f"The registry names {lost[0][:40]}… of the record, which '{book.path}' does not have: lines "
            f"were taken off its end, or somebody wrote the tag {registry.RECORD_TAG}. Put back the record "
            "from your backup, or take off the tag if it is false."
        )
    if tale.not_shown:
        return publish(client, cohort, book, model)
    for alias, (found, right) in registry.strayed(client, tale).items() if tale.entries else ():
        facts = {"model": model, "version": right or found, "alias": alias, "found": found, "right": right}
        book.append(CORRECTED, facts)
    return publish(client, cohort, book, model)


def publish(client: "MlflowClient", cohort: Path, book: Record, model: str) -> Story:
    """Show in MLflow what the record says of `model`, as often as it takes; the record tells when it is done.

    Raises:
        CivicmlError: the registry cannot be written; what is recorded stays recorded.
    """
    tale = story(model, book.entries)
    waiting = tale.not_shown
    if not waiting:
        return tale
    try:
        for entry in waiting:
            if entry.kind in (REVIEWED, *VERDICTS):
                _beside_the_version(client, cohort, tale, entry)
        registry.show(client, tale)
    except CivicmlError as error:
        raise CivicmlError(
            f"It is recorded, and the registry does not show it yet: {error} 'civicml decisions {model} "
            "--go-on' goes on with it."
        ) from error
    book.append(SHOWN, {"model": model, "version": "", "entry": waiting[-1].number})
    return story(model, book.entries)


def _beside_the_version(client: "MlflowClient", cohort: Path, tale: Story, entry: Entry) -> None:
    """The files of a round: the review as data and as a page and, once it is decided, what goes back."""
    facts = entry.facts
    text = evidence(cohort, entry).to_json()
    review = Review.from_json(text)
    page = review_page(review, tale, entry, _purpose(review.domain))
    write_text(page_path(cohort, tale.model, facts["version"], facts["round"]), page, mode=0o600)
    files = {"review.json": text, "review.html": page}
    if entry.kind in VERDICTS:
        files["decision.md"] = _letter(entry)
        if entry.kind != "accept":
            mine = [finding for finding in findings_of(facts) if finding.owner == "learner"]
            files[FILE] = to_fill_in(mine, _which(facts))
    for name, content in files.items():
        place = f"{registry.REVIEW_FOLDER}/round-{facts['round']}/{name}"
        registry.put_beside(client, facts["run_id"], place, content)


def _purpose(domain: str) -> str:
    """Who does what with the score, where the course has a brief for the domain."""
    try:
        return load_brief(domain).decision
    except CivicmlError:
        return ""


def _letter(entry: Entry) -> str:
    """What goes back to the learner, in Markdown."""
    facts = entry.facts
    lines = [f"# {registry.PAST[entry.kind]}: {facts['model']} version {facts['version']}", ""]
    lines += [f"{registry.telling(entry)}", ""]
    if entry.kind != "accept" and facts["findings"]:
        lines += [
            f"Your next version answers each finding below that is yours: fill in the `{FILE}` beside this "
            "file, keep it in your dossier, log and register again. The page `review.html` has the evidence.",
        ]
    for finding in findings_of(facts):
        lines += [
            "",
            f"## {registry.marked(finding.code)} ({finding.severity}, for the {finding.owner})",
            "",
            registry.marked(finding.says),
            "",
            f"What to do: {registry.marked(finding.do)}",
        ]
    return "\n".join(lines) + "\n"


def _which(facts: Mapping[str, Any]) -> str:
    return f"round {facts['round']} of {facts['model']}, version {facts['version']}"


def as_facts(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Findings as the record keeps them."""
    return [asdict(finding) for finding in findings]
