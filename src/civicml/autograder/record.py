# ruff: noqa: ANN401 - values of any kind pass through here
"""Records results in nbgrader's gradebook and leaves the executed notebooks where nbgrader would.

The one writer: marks of one submission are committed together, after its notebook is in place. It must not
know how cells were run.
"""

import copy
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.assignment import NOTEBOOK, read_notebook
from civicml.autograder.canonical import unanswered
from civicml.autograder.settings import LOGGER, course_directory, disk_trouble, open_gradebook, said_plainly
from civicml.autograder.verdict import Result

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.api import Gradebook
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

_WITH_THE_NOTEBOOK = ("timestamp.txt", "submission_secret.txt")


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


@contextmanager
def recording(settings: "Config", assignment: str) -> "Iterator[Recorder]":
    """Have the gradebook open while the results of one assignment come in; call it from one process only.

    Each result is committed by itself, and between two of them others can write (Formgrader, say).

    Args:
        settings: nbgrader's, as `civicml.autograder.settings.read_settings` gives them.
        assignment: the name of a released assignment.

    Raises:
        CivicmlError: the disk or the gradebook cannot be written; what was recorded is kept.
    """
    directory = course_directory(settings, assignment)
    released = read_notebook(notebook_file(directory, directory.release_directory, "."))
    with open_gradebook(settings) as gradebook:
        cells = gradebook.find_notebook(NOTEBOOK, assignment).source_cells
        checksums = {cell.name: cell.checksum for cell in cells}
        yield Recorder(settings, directory, gradebook, released, checksums)


class Recorder:
    """Writes down what grading found, one submission after another; `recording` makes one.

    A new connection for each mark would cost more than the mark: SQLAlchemy makes every query anew for it.
    """

    def __init__(
        self,
        settings: "Config",
        directory: "CourseDirectory",
        gradebook: "Gradebook",
        released: "NotebookNode",
        checksums: dict[str, str],
    ) -> None:
        """`released` is the lab as learners got it; `checksums` are the gradebook's, by cell."""
        self._settings = settings
        self._directory = directory
        self._gradebook = gradebook
        self._released = released
        self._checksums = checksums
        self._questions = unanswered(released, released)

    def record(self, learner: str, result: Result) -> Outcome:
        """Write what grading `learner`'s work found. Doing it again changes nothing; a person's marks stay.

        Args:
            learner: a student of the gradebook.
            result: what a sandboxed worker found.

        Raises:
            CivicmlError: the disk or the gradebook cannot be written.
        """
        assignment, gradebook = self._directory.assignment_id, self._gradebook
        submitted = notebook_file(self._directory, self._directory.submitted_directory, learner).parent
        autograded = notebook_file(self._directory, self._directory.autograded_directory, learner).parent
        seconds = round(result.seconds, 2)
        with said_plainly(self._directory.db_url):
            try:
                if result.problem or not result.notebook:
                    problem = result.problem or "It could not be graded; a person should look at it."
                    leave_stand_in(self._released, problem, submitted, autograded)
                    nothing_earned(gradebook, self._directory, learner, everything=True)
                    return Outcome(problem, False, result.flags, seconds)
                notebook, untouched = self._checked(result.notebook)
                _note_submission(gradebook, self._directory, learner)
                _leave(notebook, submitted, autograded)
                _set_marks(gradebook, assignment, learner, result, untouched)
                gradebook.db.flush()
                gradebook.db.expire_all()  # the database adds the marks up, on reading
                self._charge_lateness(learner)
                gradebook.db.commit()
                blank = bool(self._questions) and untouched.issuperset(self._questions)
                if blank:
                    nothing_earned(gradebook, self._directory, learner, everything=False)
                return Outcome("", blank, result.flags, seconds)
            finally:
                gradebook.db.close()  # forget what was read: memory stays flat, nothing gets out of date

    def _checked(self, notebook: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """With the checksums that nbgrader's other commands look for; and the cells that were not touched."""
        import nbformat
        from nbgrader.utils import compute_checksum

        cells, untouched = [], set()
        for cell in notebook["cells"]:
            marking = cell["metadata"].get("nbgrader")
            name = marking.get("grade_id") if marking else None
            if name in self._checksums:
                released = self._checksums[name]
                node = nbformat.from_dict(cell)  # type: ignore[no-untyped-call]
                if marking.get("solution") and compute_checksum(node) == released:
                    untouched.add(name)
                marking = {**marking, "checksum": released}
                cell = {**cell, "metadata": {**cell["metadata"], "nbgrader": marking}}  # noqa: PLW2901
            cells.append(cell)
        return {**notebook, "cells": cells}, untouched

    def _charge_lateness(self, learner: str) -> None:
        """As nbgrader's preprocessor does, with the plugin that the settings name."""
        from nbgrader.preprocessors import AssignLatePenalties

        assignment = self._directory.assignment_id
        step = AssignLatePenalties(config=self._settings, log=logging.getLogger(LOGGER))
        step.gradebook, step.assignment_id = self._gradebook, assignment
        step.init_plugin()
        late = self._gradebook.find_submission(assignment, learner).total_seconds_late
        notebook = self._gradebook.find_submission_notebook(NOTEBOOK, assignment, learner)
        notebook.late_submission_penalty = None
        if late > 0:
            charged = step.plugin_inst.late_submission_penalty(learner, notebook.score, late)
            if charged is not None:
                notebook.late_submission_penalty = min(max(charged, 0), notebook.score)


def notebook_file(directory: "CourseDirectory", step: str, learner: str) -> Path:
    """Where the notebook of `learner` is in a step's folder (submitted, autograded, …)."""
    return Path(directory.format_path(step, learner, directory.assignment_id)) / f"{NOTEBOOK}.ipynb"


def leave_stand_in(released: "NotebookNode", problem: str, submitted: Path, autograded: Path) -> None:
    """Put the untouched lab where the graded one would be, and the reason on top.

    So Formgrader lists the submission, and its feedback tells the learner what happened.

    Raises:
        CivicmlError: the disk refuses.
    """
    import nbformat

    stand_in = copy.deepcopy(released)
    stand_in.cells.insert(
        0,
        nbformat.v4.new_markdown_cell(  # type: ignore[no-untyped-call]
            f"**This submission could not be graded.** {problem}"
        ),
    )
    try:
        shutil.rmtree(autograded, ignore_errors=True)
        autograded.mkdir(parents=True)
        nbformat.write(stand_in, autograded / f"{NOTEBOOK}.ipynb")  # type: ignore[no-untyped-call]
        _copy_beside(submitted, autograded)
    except OSError as error:
        raise disk_trouble(error) from error


def nothing_earned(
    gradebook: "Gradebook", directory: "CourseDirectory", learner: str, *, everything: bool
) -> None:
    """Set what the autograder decides to 0; with `everything`, what a person would have marked too."""
    _note_submission(gradebook, directory, learner)
    notebook = gradebook.find_submission_notebook(NOTEBOOK, directory.assignment_id, learner)
    for grade in notebook.grades:
        if everything or grade.auto_score is not None:
            grade.auto_score = 0.0
            # As nbgrader does: a mark that a person gave to earlier work is kept, to be looked at again.
            grade.needs_manual_grade = grade.manual_score is not None
    gradebook.db.commit()


def _note_submission(gradebook: "Gradebook", directory: "CourseDirectory", learner: str) -> None:
    """Tell the gradebook that there is one, and when it came."""
    submitted = notebook_file(directory, directory.submitted_directory, learner).parent
    timestamp = directory.get_existing_timestamp(str(submitted))
    when = {"timestamp": timestamp} if timestamp else {}
    gradebook.update_or_create_submission(directory.assignment_id, learner, **when)


def _leave(notebook: dict[str, Any], submitted: Path, folder: Path) -> None:
    """Put the executed notebook in place, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    _copy_beside(submitted, folder)
    unfinished = folder / f".{NOTEBOOK}.{os.getpid()}"
    try:
        unfinished.write_text(json.dumps(notebook, indent=1, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(folder / f"{NOTEBOOK}.ipynb")
    finally:
        unfinished.unlink(missing_ok=True)


def _copy_beside(submitted: Path, folder: Path) -> None:
    for name in _WITH_THE_NOTEBOOK:
        if (submitted / name).is_file():
            (folder / name).unlink(missing_ok=True)
            shutil.copy(submitted / name, folder / name)


def _set_marks(
    gradebook: Any,
    assignment: str,
    learner: str,
    result: Result,
    blank: set[str],
) -> None:
    found = {verdict.name: verdict for verdict in result.verdicts}
    submission = gradebook.find_submission_notebook(NOTEBOOK, assignment, learner)
    for grade in submission.grades:
        verdict = found.get(grade.name)
        if verdict is None:
            grade.auto_score = 0.0
        elif verdict.status == "manual":
            # As nbgrader does it: prose that was not touched earns 0 without being read.
            grade.auto_score = 0.0 if grade.name in blank else None
        else:
            grade.auto_score = verdict.points
        looked_at = verdict is None or verdict.status == "void"
        grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None or looked_at
    for comment in submission.comments:
        comment.auto_comment = "No response." if comment.name in blank else None
