"""Grades one learner's submission and records the marks.

With an engine, in a sandbox (`civicml.autograder.pool`); without one, by nbgrader's own autograder.
It must not know what a cohort is, who is enrolled, or when work was due.
"""

import contextlib
import copy
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from civicml.assignment import read_notebook
from civicml.autograder.canonical import canonicalise, unanswered
from civicml.autograder.limits import Limits
from civicml.autograder.record import Outcome, leave_stand_in, notebook_file, nothing_earned, recording
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
    directory = course_directory(settings, assignment, learner)
    submitted = notebook_file(directory, directory.submitted_directory, learner)
    if engine is not None:
        found = engine.grade(submitted, {LEARNER_VARIABLE: learner})
        with recording(settings, assignment) as recorder:
            return recorder.record(learner, found)
    began = time.monotonic()
    released = read_notebook(notebook_file(directory, directory.release_directory, "."))
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
        autograded = notebook_file(directory, directory.autograded_directory, learner)
        leave_stand_in(released, problem, submitted.parent, autograded.parent)
    if problem or blank:
        with open_gradebook(settings) as gradebook:
            nothing_earned(gradebook, directory, learner, everything=bool(problem))
    return Outcome(problem, blank and not problem, notes, round(time.monotonic() - began, 2))


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
