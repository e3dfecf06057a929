# ruff: noqa: ANN401 - values of any kind pass through here
"""Records a result in nbgrader's gradebook and leaves the executed notebook where nbgrader would.

The one writer: marks of one submission are committed together, after its notebook is in place. It must not
know how cells were run.
"""

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from civicml.assignment import NOTEBOOK
from civicml.autograder.settings import LOGGER, course_directory, open_gradebook, said_plainly
from civicml.autograder.verdict import Result

_WITH_THE_NOTEBOOK = ("timestamp.txt", "submission_secret.txt")


def record(settings: Any, assignment: str, learner: str, result: Result) -> None:
    """Write what grading `learner`'s submission found. Doing it again changes nothing; a person's marks stay.

    Args:
        settings: nbgrader's, as `civicml.autograder.settings.read_settings` gives them.
        assignment: the name of a released assignment.
        learner: a student of the gradebook.
        result: not one with a `problem`, which has no notebook.

    Raises:
        CivicmlError: the disk or the gradebook cannot be written.
    """
    directory = course_directory(settings, assignment, learner)
    submitted = Path(directory.format_path(directory.submitted_directory, learner, assignment))
    autograded = Path(directory.format_path(directory.autograded_directory, learner, assignment))
    with open_gradebook(settings) as gradebook:
        timestamp = directory.get_existing_timestamp(str(submitted))
        when = {"timestamp": timestamp} if timestamp else {}
        gradebook.update_or_create_submission(assignment, learner, **when)
        known = {cell.name: cell for cell in gradebook.find_notebook(NOTEBOOK, assignment).source_cells}
        notebook = _checked(result.notebook, known)
        with said_plainly():
            _leave(notebook, submitted, autograded)
        _set_marks(gradebook, assignment, learner, result, _blank(notebook, known))
        gradebook.db.commit()
    _charge_lateness(settings, assignment, learner, directory.db_url)


def _checked(notebook: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """With the checksums that nbgrader's other commands look for."""
    cells = []
    for cell in notebook["cells"]:
        marking = cell["metadata"].get("nbgrader")
        if marking and marking.get("grade_id") in known:
            marking = {**marking, "checksum": known[marking["grade_id"]].checksum}
            cell = {**cell, "metadata": {**cell["metadata"], "nbgrader": marking}}  # noqa: PLW2901
        cells.append(cell)
    return {**notebook, "cells": cells}


def _blank(notebook: dict[str, Any], known: dict[str, Any]) -> set[str]:
    """The cells that a learner left as they were released."""
    import nbformat
    from nbgrader.utils import compute_checksum

    blank = set()
    for cell in notebook["cells"]:
        marking = cell["metadata"].get("nbgrader", {})
        name = marking.get("grade_id")
        if marking.get("solution") and name in known:
            node = nbformat.from_dict(cell)  # type: ignore[no-untyped-call]
            if compute_checksum(node) == known[name].checksum:
                blank.add(name)
    return blank


def _leave(notebook: dict[str, Any], submitted: Path, folder: Path) -> None:
    """Put the executed notebook in place, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _WITH_THE_NOTEBOOK:
        if (submitted / name).is_file():
            (folder / name).unlink(missing_ok=True)
            shutil.copy(submitted / name, folder / name)
    unfinished = folder / f".{NOTEBOOK}.{os.getpid()}"
    try:
        unfinished.write_text(json.dumps(notebook, indent=1, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(folder / f"{NOTEBOOK}.ipynb")
    finally:
        unfinished.unlink(missing_ok=True)


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


def _charge_lateness(settings: Any, assignment: str, learner: str, database: str) -> None:
    import nbformat
    from nbgrader.preprocessors import AssignLatePenalties

    facts = {"notebook": NOTEBOOK, "assignment": assignment, "student": learner, "db_url": database}
    step = AssignLatePenalties(config=settings, log=logging.getLogger(LOGGER))
    with said_plainly(database):
        step.preprocess(nbformat.v4.new_notebook(), {"nbgrader": facts})  # type: ignore[no-untyped-call]
