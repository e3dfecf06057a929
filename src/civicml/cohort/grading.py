"""Collecting what was handed in and grading it, one learner after another, resumably.

Marks go to nbgrader's gradebook. What is kept here is only how far grading has come: one
small file a learner and week in ``grading/``. It must not know how a notebook is run.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from civicml.assignment import NOTEBOOK, marking_of, read_notebook
from civicml.autograder.grade import LEARNER_VARIABLE
from civicml.autograder.pool import Pool
from civicml.autograder.record import recording
from civicml.autograder.settings import disk_trouble
from civicml.cohort.attempts import Attempt, attempt_of, best, keep
from civicml.cohort.attempts import attempts as read_attempts
from civicml.cohort.cluster import Cluster, cluster
from civicml.cohort.deadlines import deadlines, extensions, set_extension, settle
from civicml.cohort.directory import Cohort, tell_gradebook
from civicml.cohort.engine import Executor, Walls, grading_pool, walls
from civicml.cohort.exchange import Collect, handed_in, run
from civicml.cohort.kernels import Report, grade_in_kernels
from civicml.cohort.records import Record, forget_record, read_record, write_record
from civicml.course import Week
from civicml.errors import CivicmlError


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
    no_sandbox: str
    """Why learners' code was in no sandbox, as a sentence; empty where it was."""


def grade(
    cohort: Cohort,
    week: Week,
    *,
    learner: str | None = None,
    force: bool = False,
    jobs: int = 1,
    executor: Executor = "engine",
    scheduler: str = "",
    report: Report = lambda done, all_, who: None,
) -> Grading:
    """Collect and grade what is new or changed; what was graded before keeps its marks.

    It may be stopped at any moment and run again. Marks are recorded by this process alone, one
    submission after another, whatever runs side by side.

    Args:
        cohort: which cohort.
        week: which week.
        learner: only this one; everybody when not given.
        force: grade again what has not changed.
        jobs: how many submissions are run side by side.
        executor: ``"nbgrader"`` for nbgrader's own executor, in kernels; the engine where it can run.
        scheduler: the address of a Dask scheduler whose workers run them, in place of this machine's.
        report: told how many are done, of how many, and whose was the last.

    Raises:
        CivicmlError: the week was never released, somebody else is grading, a grading process
            died, the lab's own solution does not pass, or the disk or the database refuses; marks
            so far are kept.
    """
    learners = [cohort.learner(learner)] if learner else cohort.learners()
    if scheduler and executor != "engine":
        raise CivicmlError("A cluster runs the engine; leave out --executor, or --scheduler.")
    if not cohort.notebook("source", week).is_file():
        raise CivicmlError(f"{week.name} has not been released in this cohort, so there is nothing to grade.")
    with cohort.logged(), only_one(cohort):
        tell_gradebook(cohort.settings, learners)
        ids = {one.id for one in learners}
        around = walls(executor)
        strangers = _collect(cohort, week, ids, jobs, around)
        questions = digest_of_questions(cohort, week)
        submitted = [one.id for one in learners if cohort.notebook("submitted", week, one.id).parent.is_dir()]
        wanted = {one: _fingerprint(cohort, week, one, questions) for one in submitted}
        to_do = [one for one in submitted if force or not _is_done(cohort, week, one, wanted[one])]
        _give_extensions(cohort, week, to_do)
        if to_do:
            those = {one: wanted[one] for one in to_do}
            if scheduler:
                with cluster(cohort, week, scheduler) as graders:
                    _grade_by_engine(cohort, week, those, graders, report)
            elif around.executor == "engine":
                with grading_pool(cohort, week, min(jobs, len(those))) as graders:
                    _grade_by_engine(cohort, week, those, graders, report)
            else:
                grade_in_kernels(cohort, week, those, jobs, report)
            report(len(to_do), len(to_do), "")
        settle(cohort, week)
        graded = _outcomes(cohort, week, submitted, set(to_do))
    return Grading(
        week=week,
        graded=tuple(graded),
        missing=tuple(one.id for one in learners if one.id not in submitted),
        strangers=() if learner else tuple(strangers),
        no_sandbox="" if scheduler else around.no_sandbox,
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


def _collect(cohort: Cohort, week: Week, ids: set[str], jobs: int, around: Walls) -> list[str]:
    """Bring in the submission that counts of each of `ids`; return the strangers who handed work in."""
    found = handed_in(cohort, week.name)
    counts = {learner: attempts[-1] for learner, attempts in found.items() if learner in ids}
    if cohort.course.attempts.counts == "best":
        several = {one: found[one] for one in counts if len(found[one]) > 1}
        counts |= _best_ones(cohort, week, several, jobs, around)
        for one, (moment, _) in counts.items():
            if (collected := _submitted(cohort, week, one)) is not None and collected != moment:
                # nbgrader brings in only what is newer than what is there.
                shutil.rmtree(cohort.notebook("submitted", week, one).parent)
    run(Collect, cohort, week.name, latest=counts, update=True)
    enrolled = {one.id for one in cohort.learners()}
    by_hand = {path.parent.name for path in (cohort.root / "submitted").glob(f"*/{week.name}")}
    return sorted((set(found) | by_hand) - enrolled)


def _best_ones(
    cohort: Cohort, week: Week, found: dict[str, list[tuple[datetime, Path]]], jobs: int, around: Walls
) -> dict[str, tuple[datetime, Path]]:
    """Of each learner's submissions the one that earns most; those not graded yet are graded for it."""
    if around.executor != "engine" and found:
        raise CivicmlError(
            "course.toml says that the best attempt counts; the engine finds it, and does not run here. "
            'Let the last one count: counts = "last".'
        )
    questions, due = digest_of_questions(cohort, week), deadlines(cohort, week)

    def penalty(learner: str, attempt: Attempt) -> float:
        late = (attempt.submitted - due(learner)).total_seconds()
        most = attempt.most + attempt.to_be_marked
        return min(cohort.course.late.penalty(max(0.0, late), most), attempt.points)

    known = {
        learner: {one.place for one in read_attempts(cohort, week, learner) if one.questions == questions}
        for learner in found
    }
    unknown = {
        path / f"{NOTEBOOK}.ipynb": (learner, moment)
        for learner, submissions in found.items()
        for moment, path in submissions
        if path.name not in known[learner]
    }
    if unknown:
        with grading_pool(cohort, week, min(jobs, len(unknown))) as pool:
            results = pool.grade(unknown, lambda path: {LEARNER_VARIABLE: unknown[path][0]})
            with closing(results):
                for result in results:
                    path = Path(result.submission)
                    learner, moment = unknown[path]
                    made = attempt_of(
                        result, place=path.parent.name, submitted=moment, questions=questions, told=False
                    )
                    keep(cohort, week, learner, replace(made, late_penalty=penalty(learner, made)))
    chosen = {}
    for learner, submissions in found.items():
        places = {path.name: (moment, path) for moment, path in submissions}
        graded = [
            one
            for one in read_attempts(cohort, week, learner)
            if one.questions == questions and one.place in places
        ]
        top = best(graded, lambda one, learner=learner: one.points - penalty(learner, one))  # type: ignore[misc]
        if top is not None:
            chosen[learner] = places[top.place]
    return chosen


def _give_extensions(cohort: Cohort, week: Week, learners: list[str]) -> None:
    given = extensions(cohort)
    with cohort.gradebook() as gradebook:
        for learner in learners:
            if (week.name, learner) in given:
                submission = gradebook.update_or_create_submission(week.name, learner)
                set_extension(submission, given[week.name, learner])
        gradebook.db.commit()


def _grade_by_engine(
    cohort: Cohort, week: Week, wanted: dict[str, str], graders: Pool | Cluster, report: Report
) -> None:
    """Grade and record each of `wanted`: the learner's id, and the fingerprint to note."""
    learners = {cohort.notebook("submitted", week, one): one for one in wanted}
    report(0, len(learners), "")
    with (
        recording(cohort.settings, week.name) as recorder,
        closing(graders.grade(learners, lambda path: {LEARNER_VARIABLE: learners[path]})) as results,
    ):
        for number, result in enumerate(results, start=1):
            one = learners[Path(result.submission)]
            forget_record(cohort, week, one)
            outcome = recorder.record(one, result)
            record = Record(
                fingerprint=wanted[one],
                problem=outcome.problem,
                blank=outcome.blank,
                notes=outcome.notes,
                seconds=outcome.seconds,
            )
            write_record(cohort, week, one, record)
            report(number, len(learners), one)


# --- how far it has come ----------------------------------------------------------------------------


def mark_returned(cohort: Cohort, week: Week, learner: str, moment: datetime) -> None:
    """Note that a graded submission's feedback was given back."""
    record = read_record(cohort, week, learner)
    if record is not None:
        write_record(cohort, week, learner, replace(record, returned=moment.astimezone(UTC).isoformat()))


def graded_learners(cohort: Cohort, week: Week) -> dict[str, Record]:
    """Those whose latest work has been graded, by the questions as they are now, and how far they are."""
    if not cohort.notebook("source", week).is_file():
        return {}
    questions = digest_of_questions(cohort, week)
    found = handed_in(cohort, week.name)
    graded = {}
    for path in sorted((cohort.root / "grading" / week.name).glob("*.json")):
        learner = path.stem
        collected = _submitted(cohort, week, learner)
        if learner in found and _something_waits(
            cohort, week, learner, found[learner], collected=collected, questions=questions
        ):
            continue
        record = read_record(cohort, week, learner)
        if record and _is_done(cohort, week, learner, _fingerprint(cohort, week, learner, questions)):
            graded[learner] = record
    return graded


def _something_waits(
    cohort: Cohort,
    week: Week,
    learner: str,
    found: list[tuple[datetime, Path]],
    *,
    collected: datetime | None,
    questions: str,
) -> bool:
    """Whether a submission in the exchange may change the mark, and grading has not looked at it yet."""
    if collected is None:
        return True
    if cohort.course.attempts.counts == "best" and len(found) > 1:
        seen = {one.place for one in read_attempts(cohort, week, learner) if one.questions == questions}
        return any(path.name not in seen for _, path in found)
    return found[-1][0] > collected


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


def digest_of_questions(cohort: Cohort, week: Week) -> str:
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
