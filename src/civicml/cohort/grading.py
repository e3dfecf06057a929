"""Collecting what was handed in and grading it, one learner after another, resumably.

Marks go to nbgrader's gradebook. What is kept here is only how far grading has come: one
small file a learner and week in ``grading/``. It must not know how a notebook is run.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from civicml.assignment import marking_of, read_notebook
from civicml.autograder.grade import grade_submission
from civicml.autograder.settings import disk_trouble
from civicml.cohort.deadlines import extensions, set_extension, settle
from civicml.cohort.directory import Cohort, open_cohort, tell_gradebook, write_text
from civicml.cohort.exchange import Collect, handed_in, run
from civicml.course import Week
from civicml.datasets.using import PUBLISHED, SOURCE_VARIABLE
from civicml.errors import CivicmlError
from civicml.tracking import prepare_store

Report = Callable[[int, int, str], None]
"""Called with (how many are done, how many there are to do, who is next)."""


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


@dataclass(frozen=True)
class Graded:
    """What came of one learner's submission."""

    learner: str
    score: float
    """As the gradebook and Formgrader have it: before the penalty for lateness."""
    max_score: float
    late_penalty: float
    needs_marking: bool
    """A person still has to mark something, in Formgrader."""
    problem: str
    blank: bool
    notes: tuple[str, ...]
    seconds: float
    new: bool
    """It was graded just now, and not before."""

    @property
    def mark(self) -> float:
        """What counts: the score less the penalty."""
        return max(0.0, self.score - self.late_penalty)


@dataclass(frozen=True)
class Grading:
    """What grading a week came to."""

    week: Week
    graded: tuple[Graded, ...]
    missing: tuple[str, ...]
    """Learners who have not handed anything in."""
    strangers: tuple[str, ...]
    """Ids that handed work in and are not enrolled: their work waits in the exchange."""


def grade(
    cohort: Cohort,
    week: Week,
    *,
    learner: str | None = None,
    force: bool = False,
    jobs: int = 1,
    report: Report = lambda done, all_, who: None,
) -> Grading:
    """Collect and grade what is new or changed; what was graded before keeps its marks.

    It may be stopped at any moment and run again.

    Args:
        cohort: which cohort.
        week: which week.
        learner: only this one; everybody when not given.
        force: grade again what has not changed.
        jobs: how many processes grade side by side.
        report: told before each submission and at the end; with several jobs, after each one.

    Raises:
        CivicmlError: the week was never released, somebody else is grading, a grading process
            died, or the disk or the database refuses; marks so far are kept.
    """
    learners = [cohort.learner(learner)] if learner else cohort.learners()
    if not cohort.notebook("source", week).is_file():
        raise CivicmlError(f"{week.name} has not been released in this cohort, so there is nothing to grade.")
    with cohort.logged(), only_one(cohort):
        tell_gradebook(cohort.settings, learners)
        ids = {one.id for one in learners}
        strangers = _collect(cohort, week, ids)
        questions = _digest_of_questions(cohort, week)
        submitted = [one.id for one in learners if cohort.notebook("submitted", week, one.id).parent.is_dir()]
        wanted = {one: _fingerprint(cohort, week, one, questions) for one in submitted}
        to_do = [one for one in submitted if force or not _is_done(cohort, week, one, wanted[one])]
        _give_extensions(cohort, week, to_do)
        if jobs > 1 and len(to_do) > 1:
            _grade_side_by_side(cohort, week, {one: wanted[one] for one in to_do}, jobs, report)
        else:
            for number, one in enumerate(to_do):
                report(number, len(to_do), one)
                _grade_one(cohort, week, one, wanted[one])
        if to_do:
            report(len(to_do), len(to_do), "")
        settle(cohort, week)
        graded = _outcomes(cohort, week, submitted, set(to_do))
    return Grading(
        week=week,
        graded=tuple(graded),
        missing=tuple(one.id for one in learners if one.id not in submitted),
        strangers=() if learner else tuple(strangers),
    )


@contextmanager
def only_one(cohort: Cohort) -> Iterator[None]:
    """Grading and returning take turns: two at once would work in each other's directories."""
    try:
        with FileLock(cohort.root / "grading" / ".lock", timeout=0):
            yield
    except Timeout:
        raise CivicmlError(
            f"Somebody else is grading or returning work in '{cohort.root}' now; run the command again "
            "afterwards."
        ) from None
    except OSError as error:
        raise disk_trouble(error) from error


def _collect(cohort: Cohort, week: Week, ids: set[str]) -> list[str]:
    """Bring the latest submission of each of `ids` in; return the strangers who handed work in."""
    found = handed_in(cohort, week.name)
    latest = {learner: attempts[-1] for learner, attempts in found.items() if learner in ids}
    run(Collect, cohort, week.name, latest=latest, update=True)
    enrolled = {one.id for one in cohort.learners()}
    by_hand = {path.parent.name for path in (cohort.root / "submitted").glob(f"*/{week.name}")}
    return sorted((set(found) | by_hand) - enrolled)


def _give_extensions(cohort: Cohort, week: Week, learners: list[str]) -> None:
    given = extensions(cohort)
    with cohort.gradebook() as gradebook:
        for learner in learners:
            if (week.name, learner) in given:
                submission = gradebook.update_or_create_submission(week.name, learner)
                set_extension(submission, given[week.name, learner])
        gradebook.db.commit()


def _grade_one(cohort: Cohort, week: Week, learner: str, fingerprint: str) -> None:
    _record_path(cohort, week, learner).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="civicml-grade-", ignore_cleanup_errors=True) as scratch:
        outcome = grade_submission(cohort.settings, week.name, learner, _variables(cohort, Path(scratch)))
    write_record(
        cohort,
        week,
        learner,
        Record(
            fingerprint=fingerprint,
            problem=outcome.problem,
            blank=outcome.blank,
            notes=outcome.notes,
            seconds=outcome.seconds,
        ),
    )


# --- several processes ----------------------------------------------------------------------------


def _grade_side_by_side(
    cohort: Cohort, week: Week, wanted: dict[str, str], jobs: int, report: Report
) -> None:
    """Grade on `jobs` processes; each opens the cohort for itself and records marks as one alone does."""
    # Spawned, not forked: a fork would share this process's open database and event loop.
    with ProcessPoolExecutor(
        max_workers=min(jobs, len(wanted)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_become_grader,
        initargs=(cohort.root, cohort.course.root),
    ) as pool:
        report(0, len(wanted), "")
        grading = {pool.submit(_grade_in_process, week.name, *one): one[0] for one in wanted.items()}
        try:
            for number, done in enumerate(as_completed(grading), start=1):
                done.result()
                report(number, len(wanted), grading[done])
        except BrokenProcessPool as error:
            raise CivicmlError(
                "A grading process died; the machine may be short of memory. Marks so far are kept; run the "
                "command again, with fewer jobs."
            ) from error
        except BaseException:
            # What is being graded now is finished and kept; nothing further is begun.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_grader: list[Cohort] = []
"""In a grading process: the cohort that it grades for."""


def _become_grader(root: Path, course: Path) -> None:
    # The command answers Ctrl-C; a grading process finishes what it is at, and ends with the command.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # see civicml.cli.main
    os.environ["CIVICML_COURSE"] = str(course)
    _grader.append(open_cohort(root))


def _end_with_the_command() -> None:
    command = multiprocessing.parent_process()
    if command is not None:
        command.join()
        os._exit(1)


def _grade_in_process(week: str, learner: str, fingerprint: str) -> None:
    cohort = _grader[0]
    with cohort.logged():
        _grade_one(cohort, cohort.course.week(week), learner, fingerprint)


def _variables(cohort: Cohort, scratch: Path) -> dict[str, str]:
    """The environment of a learner's code while it is graded: its own store, one thread, no network."""
    return scratch_variables(scratch) | {
        "CIVICML_COHORT": str(cohort.root),  # hidden tests read the sealed data there
        "CIVICML_COURSE": str(cohort.course.root),  # the code runs in an empty directory elsewhere
    }


def scratch_variables(scratch: Path) -> dict[str, str]:
    """An environment in which a notebook's runs go to a fresh store in `scratch`."""
    return {
        "MLFLOW_TRACKING_URI": prepare_store(scratch / "tracking"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HF_HUB_OFFLINE": "1",
        SOURCE_VARIABLE: PUBLISHED,  # marks are for the course's tables, whatever official files are in use
        "IPYTHONDIR": str(scratch / "ipython"),  # nobody's start-up files run with it
        **dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
        ),
    }


# --- how far it has come ----------------------------------------------------------------------------


def _record_path(cohort: Cohort, week: Week, learner: str) -> Path:
    return cohort.root / "grading" / week.name / f"{learner}.json"


def read_record(cohort: Cohort, week: Week, learner: str) -> Record | None:
    """How far a learner's week has come; None when it was not graded, or grading was cut short."""
    try:
        facts = json.loads(_record_path(cohort, week, learner).read_text(encoding="utf-8"))
        return Record(**{**facts, "notes": tuple(facts["notes"])})
    except (FileNotFoundError, json.JSONDecodeError, TypeError, KeyError):
        return None


def write_record(cohort: Cohort, week: Week, learner: str, record: Record) -> None:
    """Keep how far a learner's week has come; the last thing that grading it does."""
    path = _record_path(cohort, week, learner)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise disk_trouble(error) from error
    write_text(path, json.dumps(asdict(record), indent=1), mode=0o600)


def mark_returned(cohort: Cohort, week: Week, learner: str, moment: datetime) -> None:
    """Note that a graded submission's feedback was given back."""
    record = read_record(cohort, week, learner)
    if record is not None:
        write_record(cohort, week, learner, replace(record, returned=moment.astimezone(UTC).isoformat()))


def graded_learners(cohort: Cohort, week: Week) -> dict[str, Record]:
    """Those whose latest work has been graded, by the questions as they are now, and how far they are."""
    if not cohort.notebook("source", week).is_file():
        return {}
    questions = _digest_of_questions(cohort, week)
    found = handed_in(cohort, week.name)
    graded = {}
    for path in sorted((cohort.root / "grading" / week.name).glob("*.json")):
        learner = path.stem
        collected = _submitted(cohort, week, learner)
        if learner in found and (collected is None or found[learner][-1][0] > collected):
            continue  # something newer waits in the exchange
        record = read_record(cohort, week, learner)
        if record and _is_done(cohort, week, learner, _fingerprint(cohort, week, learner, questions)):
            graded[learner] = record
    return graded


def _is_done(cohort: Cohort, week: Week, learner: str, fingerprint: str) -> bool:
    record = read_record(cohort, week, learner)
    return (
        record is not None
        and record.fingerprint == fingerprint
        and cohort.notebook("autograded", week, learner).is_file()
    )


def _fingerprint(cohort: Cohort, week: Week, learner: str, questions: str) -> str:
    notebook = cohort.notebook("submitted", week, learner)
    digest = hashlib.sha256(questions.encode())
    digest.update(str(_submitted(cohort, week, learner)).encode())
    if notebook.is_file() and not notebook.is_symlink():
        digest.update(notebook.read_bytes())
    return digest.hexdigest()


def _digest_of_questions(cohort: Cohort, week: Week) -> str:
    """A digest of what decides marks: the marked cells of the lab, not the text between them."""
    notebook = read_notebook(cohort.notebook("source", week))
    cells = [(sorted(marking_of(cell).items()), cell.source) for cell in notebook.cells if marking_of(cell)]
    return hashlib.sha256(json.dumps(cells, default=str).encode()).hexdigest()


def _submitted(cohort: Cohort, week: Week, learner: str) -> datetime | None:
    """When what was collected had been handed in; None for work that came without a time."""
    from nbgrader.utils import parse_utc

    file = cohort.notebook("submitted", week, learner).parent / "timestamp.txt"
    try:
        moment: datetime = parse_utc(file.read_text(encoding="utf-8").strip())
        return moment.replace(tzinfo=UTC)
    except (OSError, ValueError):
        return None


def _outcomes(cohort: Cohort, week: Week, learners: list[str], new: set[str]) -> list[Graded]:
    outcomes = []
    with cohort.gradebook() as gradebook:
        for learner in learners:
            record = read_record(cohort, week, learner) or Record("")
            submission = gradebook.find_submission(week.name, learner)
            outcomes.append(
                Graded(
                    learner=learner,
                    score=submission.score,
                    max_score=submission.max_score,
                    late_penalty=submission.late_submission_penalty,
                    needs_marking=submission.needs_manual_grade,
                    problem=record.problem,
                    blank=record.blank,
                    notes=record.notes,
                    seconds=record.seconds,
                    new=learner in new,
                )
            )
    return outcomes
