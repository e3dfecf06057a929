"""What a department decides: accept, return or reject a version, or go back to an earlier one.

Each decision is on the record before anything moves. The rules are here; it must not know how a review
measures.
"""

import getpass
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.cohort.directory import LEARNERS_FILE, Learner, read_learners
from civicml.dossier.reading import unprintable
from civicml.errors import CivicmlError
from civicml.learner import ENVIRONMENT_VARIABLE
from civicml.review import registry
from civicml.review.answers import FILE, unanswered
from civicml.review.evidence import Review
from civicml.review.findings import Finding, by_severity
from civicml.review.keeping import as_facts, caught_up, evidence, publish, record_path
from civicml.review.record import Entry, read, writing
from civicml.review.story import Story, Verdict, story

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

REVIEWERS_FILE = "reviewers.csv"
FEWEST_WORDS = 3
_ACCOUNT = "MLFLOW_TRACKING_USERNAME"
_LONGEST_NAME = 100
_LONGEST_TEXT = 2_000


@dataclass(frozen=True)
class Decider:
    """Who decides, and in which role: both go on the record as they are given."""

    by: str
    role: str


@dataclass(frozen=True)
class Reasons:
    """What a decision is given with.

    Attributes:
        because: why.
        dissent: what those who disagree say, with their names.
        asks: what else the next version must answer; the reviewer's own findings.
        despite: why a version is accepted although something critical is open.
    """

    because: str
    dissent: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    despite: str = ""


def decide(  # noqa: PLR0917 - who decides what, and why
    cohort: Path,
    model: str,
    version: str,
    verdict: Verdict,
    decider: Decider,
    reasons: Reasons,
    now: datetime | None = None,
) -> Entry:
    """Accept, return or reject a version that was reviewed.

    The record is written first. Then the registry is made to show it: aliases, tags, description, and the
    findings for the learner. If that is cut short, the next command goes on with it.

    Args:
        cohort: the cohort's directory.
        model: the registered model's name.
        version: its version.
        verdict: what is decided.
        decider: who decides.
        reasons: why.
        now: when, for tests.

    Returns:
        The line of the record.

    Raises:
        CivicmlError: there is no review of this very version as it is now; whoever decides has an interest in
            it; a rule below is not kept; or the record cannot be written. Nothing has changed then.
    """
    _check_texts(decider, reasons)
    with registry.registry(cohort) as client, writing(record_path(cohort)) as book:
        tale = caught_up(client, cohort, book, model)
        found = registry.find_version(client, model, version)
        entry = _review_of(client, tale, found)
        review = evidence(cohort, entry)
        _refuse_interest(cohort, decider, {*found.authors, *entry.facts["authors"]}, f"version {version}")
        lacking = unanswered(tale.to_answer, entry.facts["answers"])
        if verdict == "accept":
            _refuse_to_accept(review, lacking, reasons)
        else:
            _refuse_to_send_back(tale, review, verdict, reasons)
        findings = by_severity([*review.findings, *_own_findings(reasons)])
        facts = {
            **_common(model, found.version, decider, reasons),
            "run_id": found.run_id,
            "round": entry.facts["round"],
            "review": entry.number,
            "sha256": entry.facts["sha256"],
            "contents": entry.facts["contents"],
            "authors": sorted({*found.authors, *entry.facts["authors"]}),
            "replaces": tale.in_use if verdict == "accept" and tale.in_use != found.version else "",
            "despite": reasons.despite.strip(),
            "findings": as_facts(findings),
        }
        decided = book.append(verdict, facts, now)
        publish(client, cohort, book, model)
        return decided


def roll_back(
    cohort: Path,
    model: str,
    decider: Decider,
    reasons: Reasons,
    *,
    withdraw: bool = False,
    now: datetime | None = None,
) -> Entry:
    """Take the version in use out of use, and put the one that was accepted before it back.

    Args:
        cohort: the cohort's directory.
        model: the registered model's name.
        decider: who decides.
        reasons: why.
        withdraw: put nothing in its place.
        now: when, for tests.

    Raises:
        CivicmlError: no version is in use, there is none to go back to, or whoever decides has an interest in
            the version that would come back. Whoever made a version may take it out of use.
    """
    if reasons.asks or reasons.despite:
        raise CivicmlError("--ask and --despite belong to a decision on a version, not to going back.")
    _check_texts(decider, reasons)
    with registry.registry(cohort) as client, writing(record_path(cohort)) as book:
        tale = caught_up(client, cohort, book, model)
        if not tale.in_use:
            raise CivicmlError(f"No version of '{model}' is in use, so there is nothing to go back from.")
        facts = {**_common(model, tale.in_use, decider, reasons), "to": ""}
        if not withdraw:
            if len(tale.accepted) < 2:
                raise CivicmlError(
                    f"Version {tale.in_use} of '{model}' is the only one that was accepted. --withdraw takes "
                    "it out of use and puts nothing in its place; then the rule of thumb of the monitoring "
                    "plan holds."
                )
            facts["to"] = tale.accepted[-2]
            back = registry.find_version(client, model, facts["to"])
            _refuse_interest(cohort, decider, back.authors, f"version {facts['to']}, which would come back")
            _refuse_changed(client, tale, back)
        entry = book.append("withdraw" if withdraw else "rollback", facts, now)
        publish(client, cohort, book, model)
        return entry


def go_on(cohort: Path, model: str) -> Story:
    """Show in the registry what is recorded and not shown yet; put back aliases that somebody moved.

    Raises:
        CivicmlError: the record was tampered with, or the registry cannot be written.
    """
    with registry.registry(cohort) as client, writing(record_path(cohort)) as book:
        return caught_up(client, cohort, book, model)


def told(cohort: Path, model: str = "") -> tuple[Entry, ...]:
    """What the record says, verified: of one model, or of all.

    Raises:
        CivicmlError: it was tampered with.
    """
    entries = read(record_path(cohort))
    return story(model, entries).entries if model else entries


def _common(model: str, version: str, decider: Decider, reasons: Reasons) -> dict[str, Any]:
    return {
        "model": model,
        "version": version,
        "by": decider.by.strip(),
        "role": decider.role.strip(),
        "because": reasons.because.strip(),
        "dissent": [one.strip() for one in reasons.dissent],
        "typed_by": os.environ.get(_ACCOUNT) or getpass.getuser(),
    }


# --- the rules ------------------------------------------------------------------------------------


def _review_of(client: "MlflowClient", tale: Story, found: registry.Version) -> Entry:
    """The review that a decision on this version stands on.

    Raises:
        CivicmlError: there is none, or the version is not what was reviewed.
    """
    entry = tale.review(found.version)
    again = f"Run 'civicml review {found.model} {found.version}' first."
    if entry is None:
        if (before := tale.verdict(found.version)) is not None:
            raise CivicmlError(
                f"Version {found.version} of '{found.model}' was {registry.PAST[before.kind].lower()} on "
                f"{registry.day(before.when)} already. A new decision takes a new review. {again}"
            )
        raise CivicmlError(f"There is no review of version {found.version} of '{found.model}'. {again}")
    if found.run_id != entry.facts["run_id"]:
        raise CivicmlError(
            f"Version {found.version} of '{found.model}' comes from another run than the one that was "
            f"reviewed. {again}"
        )
    if not _is_still(client, found, entry):
        raise CivicmlError(
            f"The run of version {found.version} of '{found.model}' was changed after it was reviewed on "
            f"{registry.day(entry.when)}. {again}"
        )
    return entry


def _refuse_changed(client: "MlflowClient", tale: Story, back: registry.Version) -> None:
    accepted = next(e for e in reversed(tale.verdicts) if e.facts["version"] == back.version)
    if back.run_id != accepted.facts["run_id"] or not _is_still(client, back, accepted):
        raise CivicmlError(
            f"Version {back.version} of '{back.model}' is not what was accepted on "
            f"{registry.day(accepted.when)}: its run was changed since. --withdraw takes the version in use "
            "out of use and puts nothing in its place."
        )


def _is_still(client: "MlflowClient", found: registry.Version, entry: Entry) -> bool:
    """Whether a version is what the entry was about. Of a model that was not opened nothing is known."""
    if not entry.facts["contents"]:
        return True
    with registry.fetched(found) as folder:
        return registry.contents(client, found, folder) == str(entry.facts["contents"])


def _refuse_to_accept(review: Review, lacking: Sequence[Finding], reasons: Reasons) -> None:
    if review.refused:
        raise CivicmlError(f"A model that could not be opened cannot be accepted. {review.refused}")
    if reasons.asks:
        raise CivicmlError(
            "--ask is for what a next version must answer: return this one, or accept it without."
        )
    if lacking:
        raise CivicmlError(
            f"{len(lacking)} of the findings that the version before was sent back with have no answer in "
            f"{FILE}: {', '.join(finding.code for finding in lacking)}. Return it again."
        )
    missing = [part.title for part in review.parts if part.state == "not_done"]
    critical = [finding.code for finding in review.findings if finding.severity == "critical"]
    if (critical or missing) and not reasons.despite:
        open_ = [f"critical: {', '.join(critical)}"] if critical else []
        open_ += [f"not done: {', '.join(missing)}"] if missing else []
        raise CivicmlError(
            f"This version cannot be accepted as it is ({'; '.join(open_)}). Return it, or give a reason "
            "that goes on the record with --despite."
        )
    if reasons.despite and not (critical or missing):
        raise CivicmlError("Nothing critical is open, so there is nothing to accept it in spite of.")


def _refuse_to_send_back(tale: Story, review: Review, verdict: Verdict, reasons: Reasons) -> None:
    if reasons.despite:
        raise CivicmlError("--despite is for accepting a version although something critical is open.")
    if review.version == tale.in_use:
        raise CivicmlError(
            f"Version {review.version} is in use. Take it out of use first: 'civicml decide {tale.model} "
            "--rollback', or --withdraw."
        )
    if verdict == "return" and not review.findings and not reasons.asks:
        raise CivicmlError(
            "There is no finding to return it with. Say with --ask what the next version must answer."
        )


def _own_findings(reasons: Reasons) -> Iterator[Finding]:
    for number, text in enumerate(reasons.asks, start=1):
        yield Finding(
            f"reviewer:{number}",
            "major",
            "learner",
            "paperwork",
            text.strip(),
            "Answer the reviewer, or change it.",
        )


def _check_texts(decider: Decider, reasons: Reasons) -> None:
    for option, name in (("--by", decider.by), ("--role", decider.role)):
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise CivicmlError(f"{option} must be a name that a reader of the record knows, in one line.")
    texts = [("--because", reasons.because), *(("--dissent", one) for one in reasons.dissent)]
    texts += [("--ask", one) for one in reasons.asks]
    texts += [("--despite", reasons.despite)] if reasons.despite else []
    for option, text in texts:
        if len(re.findall(r"\w+", text)) < FEWEST_WORDS:
            raise CivicmlError(
                f"{option} must be a sentence that its reader can follow in a year; found '{text}'."
            )
        if len(text) > _LONGEST_TEXT or unprintable(text):
            raise CivicmlError(f"{option} must be readable text of up to {_LONGEST_TEXT:,} characters.")


# --- conflicts of interest ------------------------------------------------------------------------


def _refuse_interest(cohort: Path, decider: Decider, authors: Collection[str], what: str) -> None:
    people = [person for file in (LEARNERS_FILE, REVIEWERS_FILE) for person in _people(cohort / file)]
    for name in filter(None, (decider.by, os.environ.get(ENVIRONMENT_VARIABLE), os.environ.get(_ACCOUNT))):
        if reason := interest(name, authors, people):
            raise CivicmlError(f"{reason} of {what}: whoever decides on it must have no interest in it.")


def _people(path: Path) -> list[Learner]:
    return read_learners(path) if path.exists() else []


def interest(name: str, authors: Iterable[str], people: Sequence[Learner]) -> str:
    """The interest that somebody has in a work, as the beginning of a sentence; empty if none is known.

    Args:
        name: an id, a full name or an email address, in any case.
        authors: ids of those whose work it is.
        people: everybody who is known, with their teams.
    """
    known = {key: person for person in people for key in _names(person)}
    makers = [known.get(_plain(author), Learner(author)) for author in authors]
    person = known.get(_plain(name), Learner(name))
    for maker in makers:
        if _names(person) & _names(maker):
            return f"'{name}' is the author"
        if person.team and _plain(person.team) == _plain(maker.team):
            return f"'{name}' is in the team '{person.team}' of the author"
    return ""


def _names(person: Learner) -> set[str]:
    return {_plain(one) for one in (person.id, person.name, person.email) if one}


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
