"""How far grading a learner's week has come: one small file each, in ``grading/``.

Written last, so that what was cut short is done again. It must not know what grading does.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from civicml.autograder.settings import disk_trouble
from civicml.cohort.directory import Cohort, write_text
from civicml.course import Week


@dataclass(frozen=True)
class Record:
    """How far one learner's week has come."""

    fingerprint: str
    """Of the submission and of the questions it was graded by."""
    problem: str = ""
    blank: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    returned: str = ""
    """When feedback was given back; an ISO moment in UTC, or empty."""


def record_path(cohort: Cohort, week: Week, learner: str) -> Path:
    """Where the file is."""
    return cohort.root / "grading" / week.name / f"{learner}.json"


def read_record(cohort: Cohort, week: Week, learner: str) -> Record | None:
    """How far a learner's week has come; None when it was not graded, or grading was cut short."""
    try:
        facts = json.loads(record_path(cohort, week, learner).read_text(encoding="utf-8"))
        return Record(**{**facts, "notes": tuple(facts["notes"])})
    except (FileNotFoundError, json.JSONDecodeError, TypeError, KeyError):
        return None


def write_record(cohort: Cohort, week: Week, learner: str, record: Record) -> None:
    """Keep how far a learner's week has come; the last thing that grading it does."""
    path = record_path(cohort, week, learner)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise disk_trouble(error) from error
    write_text(path, json.dumps(asdict(record), indent=1), mode=0o600)


def forget_record(cohort: Cohort, week: Week, learner: str) -> None:
    """Grading begins: until it has ended nothing says that it has.

    Raises:
        CivicmlError: the disk refuses.
    """
    try:
        record_path(cohort, week, learner).unlink(missing_ok=True)
    except OSError as error:
        raise disk_trouble(error) from error
