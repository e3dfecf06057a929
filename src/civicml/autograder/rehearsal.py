"""Grades made-up submissions of one lab in a scratch course, on several processes.

Everything happens in a temporary directory that is gone afterwards: a course with the
one assignment, and a copy of it for each process, because nbgrader's gradebook and its
working directory serve one grader at a time. It must not know why a submission was made
up, or what it should earn.
"""

import copy
import io
import logging
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from civicml.assignment import NOTEBOOK, Assignment, marking_of, read_notebook
from civicml.errors import CivicmlError

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Notebooks that run side by side share the cores; more threads would only wait for each other."""

WORK = "lab"
"""The assignment's name in the scratch course when the lab's own is not given."""


@dataclass(frozen=True)
class Submission:
    """What one made-up learner hands in."""

    name: str
    sources: Mapping[str, str] | None
    """New text for solution cells, by name; None hands in the student version as it is."""


@dataclass(frozen=True)
class Mark:
    """What a graded cell earned."""

    points: float | None
    """None: awaits a person's marks."""
    message: str
    """What the cell said when it failed; empty when it did not."""


Marks = Mapping[str, Mark]


@dataclass
class Rehearsal(AbstractContextManager["Rehearsal"]):
    """A scratch course with one lab in it, open for grading while the ``with`` block runs.

    Args:
        assignment: the lab.
        name: the assignment's name in the scratch course, such as ``week01``.
        environment: variables for the processes that run notebooks, over those of this process.
        store: a prepared MLflow store (``mlflow.db``); every submission gets a fresh copy, so
            that no run is read back but its own.
        jobs: how many processes grade side by side.
    """

    assignment: Assignment
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    store: Path | None = None
    jobs: int = 1
    seconds: float = field(default=0.0, init=False)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._scratch = Path(tempfile.mkdtemp(prefix="civicml-rehearsal-"))
        try:
            template = self._scratch / "course"
            source = template / "source" / self.name
            source.mkdir(parents=True)
            shutil.copy(self.assignment.path, source / f"{NOTEBOOK}.ipynb")
            _generate(template, self.name)
            self._released = read_notebook(template / "release" / self.name / f"{NOTEBOOK}.ipynb")
            self._pool = ProcessPoolExecutor(
                max_workers=max(1, self.jobs),
                mp_context=multiprocessing.get_context("spawn"),  # nbgrader has threads open: no forking
                initializer=_enter,
                initargs=(template, self.name, {**ONE_THREAD, **self.environment}, self.store),
            )
        except BaseException:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self._scratch, ignore_errors=True)
        self.seconds = time.monotonic() - self._began

    def grade(self, submissions: Sequence[Submission], tell: Callable[[], None]) -> list[Marks]:
        """Grade `submissions`; their marks come back in the same order.

        Args:
            submissions: what is handed in.
            tell: called each time one is done.

        Raises:
            CivicmlError: a grading process died.
        """
        waiting: dict[Future[Marks], int] = {
            self._pool.submit(_grade, self._written(submission)): number
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

    def _written(self, submission: Submission) -> str:
        import nbformat

        notebook = copy.deepcopy(self._released)
        for cell in notebook.cells:
            source = (submission.sources or {}).get(marking_of(cell).get("grade_id", ""))
            if source is not None:
                cell.source = source
        return str(nbformat.writes(notebook))  # type: ignore[no-untyped-call]


# --- in the grading process -----------------------------------------------------------------------


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set environment variables while the ``with`` block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class _Desk:
    """Where this process grades: its own copy of the scratch course."""

    course: Path
    name: str
    store: Path | None


_desks: list[_Desk] = []


def _enter(template: Path, name: str, environment: Mapping[str, str], store: Path | None) -> None:
    os.environ.update(environment)
    # Kernels and SQLAlchemy warn on stderr, over the progress bar, of nothing that matters here.
    log = os.open(template.with_name("log.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    course = template.with_name(f"course-{os.getpid()}")
    shutil.copytree(template, course)
    _desks.append(_Desk(course, name, store))


def _grade(notebook: str) -> Marks:
    from nbgrader.converters import Autograde

    desk = _desks[0]
    learner = f"learner{len(list((desk.course / 'submitted').glob('*'))) + 1:04d}"
    handed_in = desk.course / "submitted" / learner / desk.name
    handed_in.mkdir(parents=True)
    (handed_in / f"{NOTEBOOK}.ipynb").write_text(notebook, encoding="utf-8")
    os.environ["CIVICML_LEARNER"] = learner
    if desk.store:
        store = handed_in.parent / "mlflow.db"
        shutil.copy(desk.store, store)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{store}"
    failure = _convert(Autograde, desk.course, desk.name, learner)
    return _read_marks(desk, learner, failure)


def _convert(converter: type, course: Path, name: str, learner: str = "*") -> str:
    """Run one of nbgrader's converters; return why it failed, or nothing."""
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    from civicml.assignment import nbgrader_settings

    settings = nbgrader_settings()
    settings.merge(
        Config(
            {
                "CourseDirectory": {
                    "root": str(course),
                    "db_url": f"sqlite:///{course / 'gradebook.db'}",
                    "assignment_id": name,
                    "student_id": learner,
                },
                "Execute": {"shutdown_kernel": "immediate"},
            }
        )
    )
    run = converter(coursedir=CourseDirectory(config=settings), config=settings)
    run.force = True
    said = io.StringIO()
    log = logging.StreamHandler(said)
    log.setLevel(logging.ERROR)
    run.log.addHandler(log)
    try:
        run.start()
    except (Exception, SystemExit) as error:  # nbgrader ends a failed conversion in several ways
        # Its log ends in the traceback of what went wrong; the error itself only points there.
        causes = [
            line for line in said.getvalue().splitlines() if re.match(r"[\w.]+(Error|Exception)\b", line)
        ]
        return (causes or [str(error).strip() or type(error).__name__])[-1].splitlines()[0]
    finally:
        run.log.removeHandler(log)
    return ""


def _generate(course: Path, name: str) -> None:
    from nbgrader.converters import GenerateAssignment

    # A new gradebook asks the command `alembic`, which is beside the Python that runs this.
    here = str(Path(sys.executable).parent)
    with _environment(PATH=os.pathsep.join([here, os.environ.get("PATH", os.defpath)])):
        failure = _convert(GenerateAssignment, course, name)
    if failure:
        raise CivicmlError(f"nbgrader cannot make a student version of {name}'s lab: {failure}")


def _read_marks(desk: _Desk, learner: str, failure: str) -> Marks:
    from nbgrader.api import Gradebook

    graded = desk.course / "autograded" / learner / desk.name / f"{NOTEBOOK}.ipynb"
    messages = _messages(graded) if graded.is_file() else {}
    reason = f"the submission could not be graded: {failure or 'nbgrader left no notebook'}"
    with Gradebook(f"sqlite:///{desk.course / 'gradebook.db'}") as gradebook:
        grades = gradebook.find_submission_notebook(NOTEBOOK, desk.name, learner).grades
        return {
            grade.name: Mark(
                None if grade.needs_manual_grade else grade.auto_score, messages.get(grade.name, "")
            )
            if messages
            else Mark(0.0, reason)
            for grade in grades
        }


def _messages(path: Path) -> dict[str, str]:
    """What each graded cell of an autograded notebook said when it failed."""
    said: dict[str, str] = {}
    for cell in read_notebook(path).cells:
        marking = marking_of(cell)
        if not marking.get("grade"):
            continue
        outputs = cell.get("outputs", [])
        errors = [f"{out.ename}: {out.evalue}" for out in outputs if out.output_type == "error"]
        warned = [out.text for out in outputs if out.output_type == "stream" and out.name == "stderr"]
        said[str(marking["grade_id"])] = " ".join(
            errors or [f"it wrote to stderr: {text}" for text in warned]
        )
    return said
