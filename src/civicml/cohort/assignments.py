"""Releasing a week's lab to learners, and fetching it as one of them.

It must not know how work is handed in or graded.
"""

import copy
import filecmp
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from civicml.assignment import NOTEBOOK, marking_of, read_assignment, read_notebook
from civicml.autograder.hidden import secret_lines, shows
from civicml.autograder.late import naive_utc
from civicml.autograder.settings import LOGGER, course_directory, is_machine_trouble, said_plainly
from civicml.cohort.deadlines import settle
from civicml.cohort.directory import Cohort, sealed_tables
from civicml.cohort.exchange import ExchangeFetchAssignment, Release, run
from civicml.course import Week
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass(frozen=True)
class Released:
    """What releasing a week did."""

    week: Week
    questions: int
    points: float
    deadline: datetime
    again: bool
    """It had been released before."""
    changes: tuple[str, ...]
    """What is different from the time before, one sentence each."""
    place: Path


@dataclass(frozen=True)
class Fetched:
    """Where a learner's lab is."""

    notebook: Path
    new: bool
    """It was put there now; otherwise the learner had it already."""
    newer: Path | None
    """A version released since, put beside the learner's own."""


def release(cohort: Cohort, week: Week) -> Released:
    """Make the student version of the week's lab and put it where learners find it.

    Raises:
        CivicmlError: there is no lab, nbgrader refuses it, or something that learners must not
            see would be in it; what was released before stays as it was.
    """
    lab = cohort.course.folder(week) / f"{NOTEBOOK}.ipynb"
    assignment = read_assignment(lab)
    before = cohort.exchange / "outbound" / week.name / f"{NOTEBOOK}.ipynb"
    old = read_notebook(before) if before.is_file() else None
    deadline = cohort.planned_deadline(week)
    for dataset in week.datasets:
        sealed_tables(cohort.root, dataset)
    with cohort.logged(), _generated(cohort, week, assignment.notebook) as (source, student):
        _refuse_leaks(assignment.notebook, student / f"{NOTEBOOK}.ipynb", week)
        new = read_notebook(student / f"{NOTEBOOK}.ipynb")
        with said_plainly():
            _replace(source, cohort.root / "source" / week.name)
            _replace(student, cohort.root / "release" / week.name)
        changes = _differences(old, new) if old is not None else []
        changes += _set_deadline(cohort, week, deadline)
        run(Release, cohort, week.name, force=True)
        settle(cohort, week)
    return Released(
        week=week,
        questions=len(assignment.questions),
        points=assignment.points,
        deadline=deadline,
        again=old is not None,
        changes=tuple(changes),
        place=before,
    )


@contextmanager
def _generated(cohort: Cohort, week: Week, notebook: "NotebookNode") -> Iterator[tuple[Path, Path]]:
    """The source and the student version, made by nbgrader in a directory beside the cohort's own."""
    import logging

    import nbformat
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    log = logging.getLogger(LOGGER)
    with said_plainly(), tempfile.TemporaryDirectory(prefix=".release.", dir=cohort.root) as scratch:
        source = Path(scratch, "source", week.name)
        source.mkdir(parents=True)
        cleared = copy.deepcopy(notebook)
        for cell in cleared.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(cleared, source / f"{NOTEBOOK}.ipynb")  # type: ignore[no-untyped-call]
        directory = CourseDirectory(
            config=cohort.settings,
            log=log,
            root=scratch,
            db_url=course_directory(cohort.settings, week.name).db_url,
            assignment_id=week.name,
        )
        step = GenerateAssignment(coursedir=directory, config=cohort.settings, log=log)
        step.force = True
        trouble: list[BaseException] = []
        step.convert_single_notebook = _remembering(step.convert_single_notebook, trouble)
        try:
            step.start()
        except Exception as error:
            cause = trouble[0] if trouble else error
            if is_machine_trouble(cause):
                raise cause from error
            raise CivicmlError(_why_refused(cause, week)) from error
        yield source, Path(scratch, "release", week.name)


def _remembering(convert: Callable[[str], None], trouble: list[BaseException]) -> Callable[[str], None]:
    """Nbgrader logs what goes wrong and raises something else; keep the thing itself."""

    def remembered(filename: str) -> None:
        try:
            convert(filename)
        except Exception as error:
            trouble.append(error)
            raise

    return remembered


def _why_refused(error: BaseException, week: Week) -> str:
    if "Cannot add or remove cells" in str(error):
        return (
            f"{week.name} has submissions already, so its lab may change its text and its tests, but not "
            "gain or lose a cell that nbgrader knows. Nothing was released."
        )
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return f"nbgrader cannot make a student version of {week.name}'s lab: {reason}. Nothing was released."


def _refuse_leaks(instructors: "NotebookNode", students: Path, week: Week) -> None:
    """Stop before anything is released that holds a line of a hidden test or a solution."""
    text = students.read_text(encoding="utf-8")
    marker = next(
        (m for m in ("BEGIN HIDDEN TESTS", "BEGIN SOLUTION", "BEGIN MARK SCHEME") if m in text), None
    )
    if marker or shows(text, secret_lines(instructors)):
        raise CivicmlError(
            f"{week.name}'s student version would show {repr(marker) if marker else 'a line'} that only "
            "instructors may see. Nothing was released; look at the markers and the metadata of the cells in "
            f"{week.folder}/{NOTEBOOK}.ipynb."
        )


def _replace(new: Path, place: Path) -> None:
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _set_deadline(cohort: Cohort, week: Week, deadline: datetime) -> list[str]:
    with cohort.gradebook() as gradebook:
        before = gradebook.find_assignment(week.name).duedate
        gradebook.update_or_create_assignment(week.name, duedate=naive_utc(deadline))
    if before in (None, naive_utc(deadline)):
        return []
    return [f"The deadline is now {deadline:%A %d %B %Y, %H:%M}."]


def _differences(old: "NotebookNode", new: "NotebookNode") -> list[str]:
    """What learners who fetched the old version do not have, in the lab's order."""
    were, are = _parts(old), _parts(new)
    said = [f"{name} is new." for name in are if name not in were]
    said += [f"{name} is gone." for name in were if name not in are]
    for name, (text, points) in are.items():
        if name in were and were[name][0] != text:
            said.append(f"{name} reads differently.")
        if name in were and were[name][1] != points:
            said.append(f"{name} is worth {points or 0:g} points, not {were[name][1] or 0:g}.")
    return said


def _parts(notebook: "NotebookNode") -> dict[str, tuple[str, float | None]]:
    """A student version as (text, points) under names that a person can find."""
    parts: dict[str, tuple[str, float | None]] = {}
    between: list[str] = []
    for cell in notebook.cells:
        marking = marking_of(cell)
        if marking:
            name = marking["grade_id"]
            parts[f"The text before '{name}'"] = ("\n\n".join(between), None)
            parts[f"Cell '{name}'"] = (cell.source, marking.get("points"))
            between = []
        else:
            between.append(cell.source)
    parts["The text at the end"] = ("\n\n".join(between), None)
    return parts


# --- as a learner ---------------------------------------------------------------------------------


def fetch(cohort: Cohort, week: Week, folder: Path) -> Fetched:
    """Get the week's lab into ``<folder>/week01/``; a learner's own copy is never written over.

    Args:
        cohort: whose release.
        week: which week.
        folder: where the week's directory goes.

    Raises:
        CivicmlError: the week has not been released, or the folder cannot be written.
    """
    released = find_released(cohort, week)
    place = folder.expanduser().resolve() / week.name
    notebook = place / released.name
    if not notebook.exists():
        with cohort.logged(), said_plainly():
            place.parent.mkdir(parents=True, exist_ok=True)
            run(
                ExchangeFetchAssignment,
                cohort,
                week.name,
                assignment_dir=str(place.parent),
                replace_missing_files=True,
            )
        return Fetched(notebook, new=True, newer=None)
    if not _outdated(read_notebook(notebook), read_notebook(released)):
        return Fetched(notebook, new=False, newer=None)
    newer = notebook.with_name(f"{NOTEBOOK}-as-released-now.ipynb")
    with said_plainly():
        if not newer.exists() or not filecmp.cmp(released, newer, shallow=False):
            shutil.copyfile(released, newer)
    return Fetched(notebook, new=False, newer=newer)


def find_released(cohort: Cohort, week: Week) -> Path:
    """The student version that learners can fetch.

    Raises:
        CivicmlError: the week has not been released.
    """
    released = cohort.exchange / "outbound" / week.name / f"{NOTEBOOK}.ipynb"
    if not released.is_file():
        raise CivicmlError(
            f"{week.name} ({week.title}) has not been released yet; it is planned for "
            f"{week.release.on(cohort.start, cohort.course.zone):%A %d %B %Y}."
        )
    return released


def _outdated(own: "NotebookNode", released: "NotebookNode") -> bool:
    """Whether a locked cell of the release is not in the learner's copy as it is now."""
    has = {marking_of(cell).get("grade_id"): cell.source.strip() for cell in own.cells}
    return any(
        has.get(marking_of(cell)["grade_id"]) != cell.source.strip()
        for cell in released.cells
        if marking_of(cell).get("locked")
    )
