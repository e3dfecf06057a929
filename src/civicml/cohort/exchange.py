"""nbgrader's exchange, made safe against half-written copies and against links.

Small subclasses of nbgrader's own classes: the places, names and files are nbgrader's.
They know learners by id; nothing here knows who is enrolled or when work is due.
"""

import logging
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.auth import Authenticator
from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import (
    Exchange,
    ExchangeCollect,
    ExchangeFetchAssignment,
    ExchangeFetchFeedback,
    ExchangeReleaseAssignment,
    ExchangeReleaseFeedback,
    ExchangeSubmit,
)
from nbgrader.utils import parse_utc

from civicml.assignment import NOTEBOOK
from civicml.autograder.settings import LOGGER, course_directory, said_plainly
from civicml.cohort.directory import Cohort
from civicml.errors import CivicmlError

__all__ = [
    "Collect",
    "ExchangeFetchAssignment",
    "ExchangeFetchFeedback",
    "ExchangeReleaseFeedback",
    "Release",
    "Submit",
    "handed_in",
    "run",
]

KEPT = (f"{NOTEBOOK}.ipynb", "timestamp.txt", "submission_secret.txt")
"""What is collected of a submission; anything else in it stays in the exchange."""


def run(kind: type, cohort: Cohort, assignment: str, learner: str = "*", **changes: object) -> Exchange:
    """Start one of nbgrader's exchange classes for one assignment; return it when it is done.

    Args:
        kind: the class.
        cohort: whose exchange.
        assignment: the assignment's name.
        learner: whose work; everybody's when not given.
        changes: traits to set on it.

    Raises:
        CivicmlError: what nbgrader said against it, or the disk did.
    """
    settings = cohort.settings
    log = logging.getLogger(LOGGER)
    step = kind(
        coursedir=course_directory(settings, assignment, learner),
        authenticator=Authenticator(config=settings, log=log),
        config=settings,
        log=log,
        **changes,
    )
    try:
        with said_plainly():
            step.start()
    except ExchangeError as error:
        raise CivicmlError(f"The exchange says: {str(error).rstrip('.')}.") from error
    return step


def cache(cohort: Cohort, learner: str) -> str:
    """Where nbgrader keeps a learner's own copies and the secrets that open feedback: one place each.

    nbgrader would use one for all who share an operating-system user, and hand out each
    other's feedback.
    """
    everybody = Path(str(cohort.settings.Exchange.root)) / "cache"
    with said_plainly():
        if not everybody.is_dir():
            everybody.mkdir()
            everybody.chmod(0o1777)
        (everybody / learner).mkdir(mode=0o700, exist_ok=True)
    return str(everybody / learner)


def handed_in(cohort: Cohort, assignment: str) -> dict[str, list[tuple[datetime, Path]]]:
    """What is in the exchange for one assignment: by learner's id, the oldest first.

    Names in the inbound directory that nbgrader would not have written are passed over. A
    learner, who may put things there and not look, sees nothing.
    """
    found: dict[str, list[tuple[datetime, Path]]] = {}
    try:
        inbound = sorted((cohort.exchange / "inbound").glob(f"*+{assignment}+*"))
    except PermissionError:
        return found
    for path in inbound:
        parts = path.name.split("+")
        if len(parts) not in (3, 4) or path.is_symlink() or not path.is_dir():
            continue
        try:
            moment = parse_utc(parts[2]).replace(tzinfo=UTC)
        except (ValueError, OverflowError, AttributeError):
            continue
        found.setdefault(parts[0], []).append((moment, path))
    for attempts in found.values():
        attempts.sort()
    return found


class Release(ExchangeReleaseAssignment):  # type: ignore[misc]
    """Puts an assignment where learners find it; one that is there is replaced whole."""

    dest_path: str

    def copy_files(self) -> None:
        """Copy beside the place, then move there."""
        place = Path(self.dest_path)
        new, old = place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")
        for left_over in (new, old):
            shutil.rmtree(left_over, ignore_errors=True)
        self.dest_path = str(new)
        try:
            super().copy_files()
            if place.exists():
                place.rename(old)
            new.rename(place)
        except BaseException:
            if old.exists() and not place.exists():
                old.rename(place)
            raise
        finally:
            self.dest_path = str(place)
            for left_over in (new, old):
                shutil.rmtree(left_over, ignore_errors=True)


class Submit(ExchangeSubmit):  # type: ignore[misc]
    """Hands in one notebook at a moment that we name, under the learner's own id."""

    assignment_filename: str

    def __init__(self, *, moment: datetime, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._moment = moment

    def set_timestamp(self) -> None:
        """Use the moment of the receipt in place of another look at the clock."""
        self.timestamp = self._moment.astimezone(UTC).strftime(self.timestamp_format)

    def copy_files(self) -> None:
        """Copy under names that nobody collects, then give both copies their own: the inbound one last."""
        final = self.assignment_filename
        self.assignment_filename = f".{final}"
        inbound, kept = Path(self.inbound_path), Path(self.cache_path)
        unfinished = [inbound / f".{final}", kept / f".{final}".rsplit("+", 1)[0]]
        try:
            super().copy_files()
            unfinished[1].rename(kept / final.rsplit("+", 1)[0])
            unfinished[0].rename(inbound / final)
        finally:
            self.assignment_filename = final
            for left_over in unfinished:
                shutil.rmtree(left_over, ignore_errors=True)


class Collect(ExchangeCollect):  # type: ignore[misc]
    """Collects the latest submission of each learner who is named, and only what is graded of it."""

    def __init__(self, *, latest: dict[str, tuple[datetime, Path]], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._latest = latest

    def init_src(self) -> None:
        """Take what was named: nbgrader would stop at a stranger's odd file name, and enrol strangers."""
        self.inbound_path = str(Path(self.root) / self.coursedir.course_id / "inbound")
        self.src_records = [
            {"username": learner, "filename": path.name, "timestamp": moment.replace(tzinfo=None)}
            for learner, (moment, path) in self._latest.items()
        ]

    def do_copy(self, src: str, dest: str, log: logging.Logger | None = None) -> None:
        """Copy the notebook and nbgrader's two files, as regular files only, and move them there whole."""
        place = Path(dest)
        unfinished = place.with_name(f".{place.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir(parents=True)
            for name in KEPT:
                _copy_regular(Path(src) / name, unfinished / name)
            # The name of the directory was made by the exchange; the file in it came with the learner's.
            moment = next(moment for moment, path in self._latest.values() if path.name == Path(src).name)
            text = moment.strftime(self.timestamp_format)
            (unfinished / "timestamp.txt").unlink(missing_ok=True)
            (unfinished / "timestamp.txt").write_text(text, encoding="utf-8")
            unfinished.rename(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _copy_regular(source: Path, target: Path) -> None:
    """Copy a regular file; a link, a pipe or a device is not copied, nor opened."""
    try:
        opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return  # missing, or a link: the notebook is reported as missing
    with os.fdopen(opened, "rb") as reader:
        if os.path.isfile(reader.fileno()):  # noqa: PTH113 - of what is open, not of a name
            with target.open("wb") as writer:
                shutil.copyfileobj(reader, writer)
