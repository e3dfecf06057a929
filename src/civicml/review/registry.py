"""MLflow's registry: what a version consists of, and what it shows of the record.

Aliases, tags and descriptions are only ever what the record says, so showing it twice changes nothing. It
must not know who may decide what.
"""

import hashlib
import json
import logging
import os
import re
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from civicml import tracking
from civicml.errors import CivicmlError
from civicml.review.findings import SEVERITIES
from civicml.review.record import Entry
from civicml.review.story import CORRECTED, REVIEWED, VERDICTS, Story, findings_of
from civicml.tracking.artefacts import fetch

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

ACCEPTED, RETURNED, CANDIDATE = "accepted", "returned", "candidate"
TAG = "civicml."
RECORD_TAG = "civicml.record"
REVIEW_FOLDER = "review"
"""Among a run's artefacts; what the department puts there, and nothing that is reviewed."""
HEADING = "## The department's record"
_MOST_LETTERS = 5_000
"""Of a description, in MLflow's database."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True)
class Version:
    """What the registry says of one version.

    Attributes:
        model: the registered model's name.
        version: its number, as text.
        run_id: of the run that it was logged in.
        authors: ids of everybody whose work it is, as the run and its experiment tell.
    """

    model: str
    version: str
    run_id: str
    authors: frozenset[str]


@contextmanager
def registry(cohort: Path) -> "Iterator[MlflowClient]":
    """The registry of a cohort, for one block: ``$MLFLOW_TRACKING_URI``, else the store in its directory.

    Raises:
        CivicmlError: it cannot be used; MLflow's own words are in the sentence.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.prepare_store(cohort / "tracking")
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        with at(cohort):
            yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except MlflowException as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise CivicmlError(f"The registry at {uri} does not do this: {said}.") from error


@contextmanager
def at(cohort: Path) -> Iterator[None]:
    """Have whatever else looks for the store find this cohort's, for one block."""
    before = os.environ.get("CIVICML_COHORT")
    os.environ["CIVICML_COHORT"] = str(cohort)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("CIVICML_COHORT", None)
        else:
            os.environ["CIVICML_COHORT"] = before


def valid_name(model: str) -> str:
    """`model` if it can be a registered model's name here.

    Raises:
        CivicmlError: it cannot.
    """
    if not _NAME.fullmatch(model):
        raise CivicmlError(
            f"'{model}' is no model's name; it looks like 'capstone-health-missed-appointments'."
        )
    return model


def find_version(client: "MlflowClient", model: str, version: str) -> Version:
    """One version.

    Raises:
        CivicmlError: there is no such model or version.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version(valid_name(model), str(version))
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        known = sorted(int(one.version) for one in client.search_model_versions(f"name = '{model}'"))
        there = f"it has {', '.join(map(str, known))}" if known else "there is no such model"
        raise CivicmlError(f"The registry has no version '{version}' of '{model}': {there}.") from None
    if not found.run_id:
        raise CivicmlError(
            f"Version {version} of '{model}' comes from no run, so nothing can be held against it."
        )
    run = client.get_run(found.run_id)
    experiment = client.get_experiment(run.info.experiment_id)
    tags = run.data.tags
    said = {tags.get(tracking.LEARNER_TAG), tags.get("mlflow.user"), experiment.name}
    return Version(model, str(found.version), found.run_id, frozenset(one for one in said if one))


@contextmanager
def fetched(version: Version) -> Iterator[Path]:
    """A copy of what the version's run holds; gone after the block. Inside a block of `registry`.

    Raises:
        Refused: it is too large, or has links or names that lead elsewhere.
    """
    with tempfile.TemporaryDirectory(prefix="civicml-") as name:
        yield fetch(version.model, int(version.version), Path(name, "run")).folder


def contents(client: "MlflowClient", version: Version, folder: Path) -> str:
    """What a version consists of, as one SHA-256: each file's content, and what its run recorded.

    Args:
        client: of the registry.
        version: which.
        folder: a copy of the run's artefacts; what is in its ``review`` does not count.
    """
    run = client.get_run(version.run_id)
    source = client.get_model_version(version.model, version.version).source
    told = json.dumps([version.run_id, source, _recorded(run)], sort_keys=True)
    digest = hashlib.sha256(told.encode())
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        inside = path.relative_to(folder)
        if inside.parts[0] == REVIEW_FOLDER:
            continue
        with path.open("rb") as file:
            digest.update(
                f"{inside.as_posix()}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return digest.hexdigest()


def _recorded(run: "Run") -> dict[str, Mapping[str, object]]:
    """Parameters, metrics and our own tags of a run; the department's tags are no part of the work."""
    ours = {
        name: value
        for name, value in run.data.tags.items()
        if name.startswith(TAG) and not name.startswith("civicml.review")
    }
    return {"params": run.data.params, "metrics": run.data.metrics, "tags": ours}


def put_beside(client: "MlflowClient", run_id: str, place: str, text: str) -> None:
    """Write a text among a run's artefacts; one that was there before is replaced.

    Raises:
        CivicmlError: on its way there is a link, which a learner may have put there to have us write
            somewhere else.
    """
    parts = urllib.parse.urlsplit(client.get_run(run_id).info.artifact_uri)
    if parts.scheme in ("", "file"):
        way = Path(urllib.request.url2pathname(parts.path))
        for name in PurePosixPath(place).parts:
            way /= name
            if way.is_symlink():
                raise CivicmlError(f"'{way}' is a link, so nothing is written there. Take it away.")
    client.log_text(run_id, text, place)


# --- what the registry shows of the record --------------------------------------------------------


def aliases(client: "MlflowClient", model: str) -> dict[str, str]:
    """Which version each alias of `model` points at."""
    return {alias: str(version) for alias, version in client.get_registered_model(model).aliases.items()}


def strayed(client: "MlflowClient", story: Story) -> dict[str, tuple[str, str]]:
    """Aliases that somebody moved without a record: what each points at, and what the record says."""
    found = aliases(client, story.model)
    right = {ACCEPTED: story.in_use, RETURNED: story.returned}
    return {
        alias: (found.get(alias, ""), version)
        for alias, version in right.items()
        if found.get(alias, "") != version
    }


def missing_lines(client: "MlflowClient", story: Story) -> list[str]:
    """Lines of the record that versions of the model name, and that the record does not have."""
    known = {_line(entry) for entry in story.entries}
    versions = client.search_model_versions(f"name = '{valid_name(story.model)}'")
    named = {one.tags[RECORD_TAG] for one in versions if RECORD_TAG in one.tags}
    return sorted(named - known)


def show(client: "MlflowClient", story: Story) -> None:
    """Make aliases, tags and descriptions say what the record says. Doing it again changes nothing."""
    for version in story.versions:
        _describe(client, story, version)
    in_use = _in_use(story)
    client.set_registered_model_tag(story.model, "civicml.in_use", in_use)
    found = aliases(client, story.model)
    # The version in use first: whoever serves 'accepted' must not find it gone longer than needed.
    for alias, version in ((ACCEPTED, story.in_use), (RETURNED, story.returned)):
        if version and found.get(alias) != version:
            client.set_registered_model_alias(story.model, alias, version)
        elif not version and alias in found:
            client.delete_registered_model_alias(story.model, alias)
    _show_candidate(client, story, found.get(CANDIDATE, ""))


def _show_candidate(client: "MlflowClient", story: Story, candidate: str) -> None:
    """The candidate is what waits for a decision. A learner may not set it on a cohort's server."""
    waiting = [version for version in story.versions if story.review(version) is not None]
    if candidate and (candidate in waiting or story.verdict(candidate) is None):
        return
    if waiting:
        client.set_registered_model_alias(story.model, CANDIDATE, max(waiting, key=int))
    elif candidate:
        client.delete_registered_model_alias(story.model, CANDIDATE)


def _describe(client: "MlflowClient", story: Story, version: str) -> None:
    told = [
        entry for entry in story.of(version) if entry.kind in (REVIEWED, *VERDICTS, "rollback", "withdraw")
    ]
    if not told:
        return
    found = client.get_model_version(story.model, version)
    last_review = next((entry for entry in reversed(told) if entry.kind == REVIEWED), None)
    verdict = story.verdict(version)
    tags = {"civicml.state": story.state(version), RECORD_TAG: _line(told[-1])}
    if last_review is not None:
        tags["civicml.round"] = str(last_review.facts["round"])
        tags["civicml.findings"] = counted(last_review.facts["counts"])
        tags["civicml.review"] = f"{REVIEW_FOLDER}/round-{last_review.facts['round']}/review.html"
    if verdict is not None:
        tags["civicml.decided"] = f"{PAST[verdict.kind]} on {day(verdict.when)} by {signed(verdict)}"
        tags["civicml.because"] = verdict.facts["because"]
    for name, value in tags.items():
        if found.tags.get(name) != value:
            client.set_model_version_tag(story.model, version, name, value)
    description = _description(found.description or "", story, version, told)
    if description != found.description:
        client.update_model_version(story.model, version, description)
    client.set_tag(
        str(found.run_id), "civicml.review", f"{story.model} version {version}: {story.state(version)}"
    )


PAST = {
    "accept": "Accepted",
    "return": "Returned",
    "reject": "Rejected",
    "rollback": "Rolled back",
    "withdraw": "Taken out of use",
}


def _description(before: str, story: Story, version: str, told: list[Entry]) -> str:
    """The version's story in Markdown, below what its author wrote."""
    own = before.partition(HEADING)[0].rstrip()[:1_500]
    lines = [f"{HEADING}: {story.state(version)}", ""]  # MLflow's list of versions shows the first line
    tale = [f"- {telling(entry, version)}" for entry in told]
    while len("\n".join([own, "", *lines, *tale])) > _MOST_LETTERS - 60 and len(tale) > 1:
        tale = ["- (Earlier lines are in the record.)", *tale[2:]]
    return "\n".join([*([own, ""] if own else []), *lines, *tale])[:_MOST_LETTERS]


def telling(entry: Entry, version: str = "") -> str:
    """What one entry says, as Markdown in plain words.

    Args:
        entry: of a review or a decision.
        version: whose story it is told in.
    """
    facts = entry.facts
    on = day(entry.when)
    if entry.kind == REVIEWED:
        return (
            f"{on}: reviewed (round {facts['round']}): {counted(facts['counts'])}. The evidence is the run's "
            f"artefact `{REVIEW_FOLDER}/round-{facts['round']}/review.html`."
        )
    because = f"Because: {marked(facts['because'])}"
    dissent = "".join(f" Dissent: {marked(one)}" for one in facts["dissent"])
    by = marked(signed(entry))
    if entry.kind == "rollback":
        what = "taken out of use" if version == facts["version"] else "in use again"
        way = f"from version {facts['version']} to {facts['to']}"
        return f"{on}: {what}, rolled back {way} by {by}. {because}{dissent}"
    if entry.kind == "withdraw":
        return f"{on}: taken out of use by {by}; no version is in use. {because}{dissent}"
    despite = f" In spite of what is open: {marked(facts['despite'])}" if facts["despite"] else ""
    with_open = f", with {_open(entry)} open" if entry.kind == "accept" and _open(entry) else ""
    return f"{on}: {PAST[entry.kind].lower()} by {by}{with_open}. {because}{despite}{dissent}"


def _open(entry: Entry) -> str:
    """What was grave enough to be answered and was not, in words."""
    found = [finding.severity for finding in findings_of(entry.facts)]
    grave: dict[str, int] = {
        severity: found.count(severity) for severity in SEVERITIES if severity != "minor"
    }
    return counted(grave) if any(grave.values()) else ""


def plain_telling(entry: Entry) -> str:
    """What one entry says, for a terminal."""
    facts = entry.facts
    if entry.kind == CORRECTED:
        found = f"at version {facts['found']}" if facts["found"] else "gone"
        right = f"put back to version {facts['right']}" if facts["right"] else "taken off"
        alias = f"the alias '{facts['alias']}'"
        return f"{day(entry.when)}: {alias} was found {found} without a record, and {right}."
    return unmarked(telling(entry, facts["version"]))


def _in_use(story: Story) -> str:
    if not story.in_use:
        return "no version"
    since = next(e for e in reversed(story.acts) if story.in_use in (e.facts.get("to"), e.facts["version"]))
    return f"version {story.in_use}, since {day(since.when)}"


def counted(counts: Mapping[str, int]) -> str:
    """How many findings of each severity, in words."""
    told = [f"{number} {severity}" for severity, number in counts.items() if number]
    return f"{', '.join(told)} finding{'s' if sum(counts.values()) > 1 else ''}" if told else "no findings"


def signed(entry: Entry) -> str:
    """Who decided, with the role."""
    return f"{entry.facts['by']}, {entry.facts['role']}"


def day(moment: str) -> str:
    """An ISO moment as a day: 22 November 2026."""
    when = datetime.fromisoformat(moment)
    return f"{when.day} {when:%B %Y}"


def marked(text: str) -> str:
    """What somebody wrote, on one line, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>#|!])", r"\\\1", " ".join(text.split()))


def unmarked(markdown: str) -> str:
    """What `marked` made, for a terminal."""
    return re.sub(r"\\([\\`*_\[\]<>#|!])|`", r"\1", markdown)


def _line(entry: Entry) -> str:
    return f"line {entry.number}, sha256 {entry.hash}"
