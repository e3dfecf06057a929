"""Grades one learner's submission and records the marks.

With an engine, in a sandbox (`civicml.autograder.pool`); without one, by nbgrader's own autograder.
It must not know what a cohort is, who is enrolled, or when work was due.
"""

import contextlib
import copy
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from civicml.assignment import NOTEBOOK, read_notebook
from civicml.autograder.canonical import canonicalise, unanswered
from civicml.autograder.limits import Limits
from civicml.autograder.record import record
from civicml.autograder.script import UnreadableError, read_submission
from civicml.autograder.settings import (
    LOGGER,
    course_directory,
    disk_trouble,
    gradebook_trouble,
    is_machine_trouble,
    open_gradebook,
)
from civicml.autograder.verdict import Result
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

LEARNER_VARIABLE = "CIVICML_LEARNER"
_IN_A_KERNEL = "civicml.autograder.execute.GuardedExecute"
_BY_THE_ENGINE = "civicml.cohort.executor.EngineExecute"
_WITH_THE_NOTEBOOK = ("timestamp.txt", "submission_secret.txt")


class Engine(Protocol):
    """Runs and judges a notebook, and records nothing: `civicml.autograder.pool.Grader`, for one."""

    def grade(self, path: Path, variables: Mapping[str, str] | None = None) -> Result:
        """Whatever the file at `path` holds, a result comes back."""


@dataclass(frozen=True)
class Outcome:
    """What grading one submission came to. The marks themselves are in the gradebook."""

    problem: str
    """Why nothing could be graded, so that every question earned 0; empty when all went well."""
    blank: bool
    """No question was answered."""
    notes: tuple[str, ...]
    """What a person may want to look at: restored cells, and so on."""
    seconds: float


def grade_submission(
    settings: "Config",
    assignment: str,
    learner: str,
    variables: Mapping[str, str],
    engine: Engine | None = None,
) -> Outcome:
    """Run what `learner` handed in and record what each graded cell earned in the gradebook.

    The submission is ``submitted/<learner>/<assignment>/lab.ipynb``; what was run is left in
    ``autograded/…``. Grading again replaces marks, never adds to them; a person's marks stay.

    Args:
        settings: nbgrader's, as `civicml.autograder.settings.read_settings` gives them.
        assignment: the name of a released assignment.
        learner: a student of the gradebook.
        variables: the environment that the learner's code sees, over this process's own;
            ``CIVICML_LEARNER`` is always the learner.
        engine: runs and judges the notebook in a sandbox; without one nbgrader's own autograder does.

    Raises:
        CivicmlError: the machine is at fault (disk, database), not the submission.
    """
    if engine is not None:
        directory = course_directory(settings, assignment, learner)
        submitted = _file(directory, directory.submitted_directory, assignment, learner)
        found = engine.grade(submitted, {LEARNER_VARIABLE: learner})
        return record_result(settings, assignment, learner, found)
    began = time.monotonic()
    directory = course_directory(settings, assignment, learner)
    submitted = _file(directory, directory.submitted_directory, assignment, learner)
    released = read_notebook(_file(directory, directory.release_directory, assignment, "."))
    notes: tuple[str, ...] = ()
    blank = False
    problem = unreadable(submitted)
    if not problem:
        notebook = read_notebook(submitted)
        notes = tuple(canonicalise(notebook, released))
        questions = unanswered(released, released)
        blank = bool(questions) and unanswered(notebook, released) == questions
        problem = _autograde(directory, settings, dict(variables))
    if problem:
        _leave_stand_in(directory, assignment, learner, released, problem)
    if problem or blank:
        _record_nothing_earned(directory, settings, everything=bool(problem))
    return Outcome(problem, blank and not problem, notes, round(time.monotonic() - began, 2))


def record_result(settings: "Config", assignment: str, learner: str, result: Result) -> Outcome:
    """Write down what a sandboxed worker found, as `grade_submission` does; call it from one process only."""
    directory = course_directory(settings, assignment, learner)
    released = read_notebook(_file(directory, directory.release_directory, assignment, "."))
    blank = False
    if result.problem or not result.notebook:
        problem = result.problem or "It could not be graded; a person should look at it."
        _leave_stand_in(directory, assignment, learner, released, problem)
        _record_nothing_earned(directory, settings, everything=True)
        return Outcome(problem, False, result.flags, round(result.seconds, 2))
    record(settings, assignment, learner, result)
    questions = unanswered(released, released)
    autograded = read_notebook(_file(directory, directory.autograded_directory, assignment, learner))
    blank = bool(questions) and unanswered(autograded, released) == questions
    if blank:
        _record_nothing_earned(directory, settings, everything=False)
    return Outcome("", blank, result.flags, round(result.seconds, 2))


def unreadable(path: Path) -> str:
    """Why the file at `path` cannot be graded as a notebook; empty when it can."""
    try:
        read_submission(path, Limits())
        read_notebook(path)
    except UnreadableError as error:
        return str(error)
    except OSError as error:
        raise disk_trouble(error) from error
    except Exception:  # a file may be wrong in more ways than json and nbformat foresee
        return f"{path.name} is not a notebook that Jupyter can read: it is damaged or something else."
    return ""


def _file(directory: "CourseDirectory", step: str, assignment: str, learner: str) -> Path:
    return Path(directory.format_path(step, learner, assignment)) / f"{NOTEBOOK}.ipynb"


def _autograde(directory: "CourseDirectory", settings: "Config", variables: dict[str, str]) -> str:
    """Run nbgrader's autograder; return why it gave up on this submission, or nothing."""
    from nbgrader.converters import Autograde

    from civicml.autograder.execute import KernelStartError

    class OneSubmission(Autograde):  # type: ignore[misc]
        """nbgrader's Autograde, which logs what went wrong and drops it, remembering what that was."""

        trouble: Exception | None = None

        def init_assignment(self, *arguments: str) -> None:
            with self._remembering():
                super().init_assignment(*arguments)

        def convert_single_notebook(self, *arguments: str) -> None:
            with self._remembering():
                super().convert_single_notebook(*arguments)

        @contextlib.contextmanager
        def _remembering(self) -> Iterator[None]:
            try:
                yield
            except Exception as error:
                self.trouble = error
                raise

    with_variables = copy.deepcopy(settings)
    # Whoever calls this without an engine asks for a kernel, whatever plain nbgrader is set up to use.
    with_variables.Autograde.autograde_preprocessors = [
        _IN_A_KERNEL if step == _BY_THE_ENGINE else step
        for step in settings.Autograde.autograde_preprocessors
    ]
    with_variables.GuardedExecute.environment = {
        **settings.GuardedExecute.get("environment", {}),
        **variables,
    }
    run = OneSubmission(coursedir=directory, config=with_variables, log=logging.getLogger(LOGGER))
    run.force = True
    try:
        run.start()
    except Exception as error:
        trouble = run.trouble or error
        if is_machine_trouble(trouble):
            if isinstance(trouble, OSError):
                raise disk_trouble(trouble) from error
            raise gradebook_trouble(trouble, directory.db_url) from error
        if isinstance(trouble, KernelStartError):
            raise CivicmlError(
                f"Notebooks cannot be run on this machine now: {str(trouble).rstrip('.')}. "
                "Marks so far are kept; grade again."
            ) from error
        reason = (str(trouble).strip() or type(trouble).__name__).splitlines()[0].rstrip(".")
        return f"It could not be graded: {reason}."
    return ""


def _leave_stand_in(
    directory: "CourseDirectory", assignment: str, learner: str, released: "NotebookNode", problem: str
) -> None:
    """Put the untouched lab where the graded one would be, and the reason on top.

    So Formgrader lists the submission, and its feedback tells the learner what happened.
    """
    import nbformat

    folder = _file(directory, directory.autograded_directory, assignment, learner).parent
    submitted = _file(directory, directory.submitted_directory, assignment, learner).parent
    stand_in = copy.deepcopy(released)
    stand_in.cells.insert(
        0,
        nbformat.v4.new_markdown_cell(  # type: ignore[no-untyped-call]
            f"**This submission could not be graded.** {problem}"
        ),
    )
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        nbformat.write(stand_in, folder / f"{NOTEBOOK}.ipynb")  # type: ignore[no-untyped-call]
        for name in _WITH_THE_NOTEBOOK:
            if (submitted / name).is_file():
                shutil.copy(submitted / name, folder / name)
    except OSError as error:
        raise disk_trouble(error) from error


def _record_nothing_earned(directory: "CourseDirectory", settings: "Config", *, everything: bool) -> None:
    """Set what the autograder decides to 0; with `everything`, what a person would have marked too."""
    assignment, learner = directory.assignment_id, directory.student_id
    submitted = _file(directory, directory.submitted_directory, assignment, learner).parent
    with open_gradebook(settings) as gradebook:
        timestamp = directory.get_existing_timestamp(str(submitted))
        gradebook.update_or_create_submission(
            assignment, learner, **({"timestamp": timestamp} if timestamp else {})
        )
        for grade in gradebook.find_submission_notebook(NOTEBOOK, assignment, learner).grades:
            if everything or grade.auto_score is not None:
                grade.auto_score = 0.0
                # As nbgrader does: a mark that a person gave to earlier work is kept, to be looked at again.
                grade.needs_manual_grade = grade.manual_score is not None
        gradebook.db.commit()
