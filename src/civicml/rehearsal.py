"""Grades made-up submissions of a lab the way a cohort's are graded, and throws everything away.

A rehearsal is a cohort in a temporary directory, with one week released and nobody enrolled.
Each of its processes works in a copy of it, because nbgrader serves one grader at a time in
one directory. It must not know why a submission was made up, or what it should earn.
"""

import copy
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from civicml.assignment import NOTEBOOK, marking_of, read_notebook, solution_cells
from civicml.autograder.grade import LEARNER_VARIABLE, grade_submission
from civicml.autograder.pool import Pool
from civicml.autograder.proof import Mark, Marks, Submission
from civicml.autograder.settings import environment, logging_to, open_gradebook, read_settings
from civicml.autograder.verdict import Verdict
from civicml.cohort import Cohort, init, release
from civicml.cohort.engine import grading_pool
from civicml.cohort.kernels import variables
from civicml.course import Course, Week
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from traitlets.config import Config

Step = Callable[[str], None]
"""Told in a few words what is being done now."""

_UNTOUCHED = "# Nothing here yet."
"""Added to stubs, so that their tests are run: a lab left blank would be given 0 without running it."""
_NOT_COPIED = ("sealed", "exchange", "tracking", "logs")


@dataclass(frozen=True)
class Rehearsal:
    """An open rehearsal of one week's lab."""

    week: Week
    released: "NotebookNode"
    pool: ProcessPoolExecutor

    def grade(self, submissions: Sequence[Submission], tell: Callable[[], None]) -> list[Marks]:
        """Grade `submissions`; their marks come back in the same order.

        Args:
            submissions: what is handed in.
            tell: called each time one is done.

        Raises:
            CivicmlError: a grading process died, or the disk refuses.
        """
        waiting: dict[Future[Marks], int] = {
            self.pool.submit(_grade, written(self.released, submission)): number
            for number, submission in enumerate(submissions)
        }
        marks: dict[int, Marks] = {}
        try:
            for done in as_completed(waiting):
                marks[waiting[done]] = done.result()
                tell()
        except BrokenProcessPool as error:
            raise CivicmlError(
                "A grading process died before it could say what a submission earned; the machine may be "
                "short of memory. Try again with '--jobs 1'."
            ) from error
        return [marks[number] for number in range(len(submissions))]


def written(released: "NotebookNode", submission: Submission) -> str:
    """A made-up submission, as a notebook's text."""
    import nbformat

    notebook = copy.deepcopy(released)
    for name, (_, cell) in solution_cells(notebook):
        if submission.sources is not None:
            cell.source = submission.sources.get(name, cell.source)
        elif cell.cell_type == "code":
            cell.source += f"\n{_UNTOUCHED}"
    return str(nbformat.writes(notebook))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class EngineRehearsal:
    """A rehearsal that the sandboxed engine grades: faster, with nothing recorded anywhere."""

    week: Week
    released: "NotebookNode"
    pool: Pool
    scratch: Path

    def grade(self, submissions: Sequence[Submission], tell: Callable[[], None]) -> list[Marks]:
        """As `Rehearsal.grade`."""
        places: dict[Path, int] = {}
        for number, submission in enumerate(submissions):
            place = Path(tempfile.mkdtemp(dir=self.scratch)) / f"{NOTEBOOK}.ipynb"
            place.write_text(written(self.released, submission), encoding="utf-8")
            places[place] = number
        marks: dict[int, Marks] = {}
        for result in self.pool.grade(places):
            number = places[Path(result.submission)]
            marks[number] = {v.name: self._mark(v, submissions[number]) for v in result.verdicts}
            tell()
        return [marks[number] for number in range(len(submissions))]

    def _mark(self, verdict: Verdict, submission: Submission) -> Mark:
        if verdict.status == "manual":
            # As nbgrader has it: prose that was not touched earns 0 without being read.
            wrote = (submission.sources or {}).get(verdict.name, "").strip()
            return Mark(None if wrote not in ("", self._as_released(verdict.name)) else 0.0, "")
        said = " ".join(verdict.detail.splitlines()[1:]) or verdict.message
        return Mark(verdict.points, said if verdict.points != verdict.most else "")

    def _as_released(self, name: str) -> str:
        return next(
            (cell.source.strip() for one, (_, cell) in solution_cells(self.released) if one == name), ""
        )


@contextmanager
def rehearse_with_engine(cohort: Cohort, week: Week, jobs: int = 1) -> Iterator[EngineRehearsal]:
    """As `rehearse`, with the engine in nbgrader's place.

    What a locked cell defines is the lab's own in the engine's tests: an answer that spoils it for
    another question's tests is not noticed.

    Raises:
        CivicmlError: as `rehearse`; or the lab's own solution does not pass, or no worker can start.
    """
    with environment({"CIVICML_COURSE": str(cohort.course.root)}):
        release(cohort, week)
        with (
            tempfile.TemporaryDirectory(prefix="civicml-rehearsal-", ignore_cleanup_errors=True) as scratch,
            grading_pool(cohort, week, jobs) as pool,
        ):
            released = read_notebook(cohort.notebook("release", week))
            yield EngineRehearsal(week, released, pool, Path(scratch))


@contextmanager
def scratch_cohort(course: Course, tell: Step = lambda step: None) -> Iterator[Cohort]:
    """A cohort of nobody, with sealed data of its own; gone when the block ends.

    Raises:
        CivicmlError: as for :func:`civicml.cohort.init`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="civicml-rehearsal-", ignore_cleanup_errors=True) as scratch,
        environment({"CIVICML_COURSE": str(course.root)}),
    ):
        yield init(Path(scratch, "cohort"), name="rehearsal", tell=tell)


@contextmanager
def rehearse(cohort: Cohort, week: Week, jobs: int = 1) -> Iterator[Rehearsal]:
    """Release `week` in a scratch cohort and open it for grading.

    Args:
        cohort: from :func:`scratch_cohort`.
        week: which lab.
        jobs: how many processes grade side by side.

    Raises:
        CivicmlError: there is no lab, or it cannot be released.
    """
    # What the week's notebooks load is built now: a submission's time is for its own work.
    from civicml.datasets import load

    with environment({"CIVICML_COURSE": str(cohort.course.root)}):
        for dataset in week.datasets:
            load(dataset)
        release(cohort, week)
    pool = ProcessPoolExecutor(
        max_workers=max(1, jobs),
        mp_context=multiprocessing.get_context("spawn"),  # nbgrader has threads open: no forking
        initializer=_enter,
        initargs=(cohort.root, cohort.course.root, week.name),
    )
    try:
        yield Rehearsal(week, read_notebook(cohort.notebook("release", week)), pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for place in cohort.root.parent.glob(f"{cohort.root.name}-*"):
            shutil.rmtree(place, ignore_errors=True)


# --- in the grading process -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Desk:
    """Where this process grades: its own copy of the cohort."""

    place: Path
    settings: "Config"
    assignment: str
    cohort: Path
    course: Path


_desks: list[_Desk] = []


def _enter(cohort: Path, course: Path, assignment: str) -> None:
    # Kernels write to the terminal, over the progress bar, and say nothing that matters here.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    # Beside the cohort, so that relative paths in it hold.
    place = cohort.with_name(f"{cohort.name}-{os.getpid()}")
    shutil.copytree(cohort, place, ignore=lambda folder, names: _NOT_COPIED if Path(folder) == cohort else ())
    _desks.append(_Desk(place, read_settings(place), assignment, cohort, course))


def _grade(notebook: str) -> Marks:
    desk = _desks[-1]
    learner = f"learner{len(list((desk.place / 'submitted').iterdir())) + 1:04d}"
    folder = desk.place / "submitted" / learner / desk.assignment
    folder.mkdir(parents=True)
    (folder / f"{NOTEBOOK}.ipynb").write_text(notebook, encoding="utf-8")
    with (
        logging_to(None),
        tempfile.TemporaryDirectory(prefix="run-", dir=desk.place, ignore_cleanup_errors=True) as scratch,
    ):
        with open_gradebook(desk.settings) as gradebook:
            gradebook.update_or_create_student(learner)
        around = variables(desk.cohort, desk.course, Path(scratch)) | {LEARNER_VARIABLE: learner}
        outcome = grade_submission(desk.settings, desk.assignment, learner, around)
        return _read_marks(desk, learner, outcome.problem)


def _read_marks(desk: _Desk, learner: str, problem: str) -> Marks:
    graded = desk.place / "autograded" / learner / desk.assignment / f"{NOTEBOOK}.ipynb"
    messages = {} if problem else _messages(graded)
    with open_gradebook(desk.settings) as gradebook:
        grades = gradebook.find_submission_notebook(NOTEBOOK, desk.assignment, learner).grades
        return {
            grade.name: Mark(
                None if grade.needs_manual_grade else grade.auto_score, messages.get(grade.name, problem)
            )
            for grade in grades
        }


def _messages(path: Path) -> dict[str, str]:
    """What each graded cell of an autograded notebook said when it failed."""
    said: dict[str, str] = {}
    for cell in read_notebook(path).cells:
        marking = marking_of(cell)
        if marking.get("grade"):
            outputs = cell.get("outputs", [])
            errors = [f"{out.ename}: {out.evalue}" for out in outputs if out.output_type == "error"]
            said[str(marking["grade_id"])] = " ".join(errors)
    return said
