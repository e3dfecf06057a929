"""Holds one week to the standard: which files there are, and each of them by its own rules.

It must not know what any rule says.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from civicml.assignment import NOTEBOOK, read_assignment
from civicml.course import Course, Week
from civicml.errors import CivicmlError
from civicml.standard.labs import check_lab
from civicml.standard.lessons import check_lesson
from civicml.standard.notebooks import check_headings, check_notebook, check_paths
from civicml.standard.readme import check_readme
from civicml.standard.sheet import Problem, Sheet

README = "README.md"
LESSONS = 3

_LESSON = re.compile(r"lesson(\d+)_[a-z0-9_]+\.ipynb")


def check_week(course: Course, week: Week) -> list[Problem]:
    """Everything in a week's folder that is not as the standard says, file by file."""
    folder = course.folder(week)
    if not folder.is_dir():
        return [Problem(_name(course, folder), None, "the week's folder is missing.")]
    problems = list(_check_layout(course, folder))
    for path in sorted(folder.glob("*.ipynb")):
        problems += _check_file(course, week, path)
    readme = folder / README
    if readme.is_file():
        sheet = Sheet.of_text(_name(course, readme), readme.read_text(encoding="utf-8"))
        for rule in (check_headings, check_paths):
            problems += rule(sheet)
        problems += check_readme(sheet, week)
    return problems


def lesson_files(folder: Path) -> list[Path]:
    """The week's lessons, in order."""
    return sorted(path for path in folder.glob("*.ipynb") if _LESSON.fullmatch(path.name))


def open_sheet(course: Course, path: Path) -> Sheet:
    """A notebook of the course, as it is stored: nothing is repaired on reading.

    Raises:
        CivicmlError: it is not a notebook.
    """
    from nbformat import from_dict

    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        notebook = from_dict(stored)  # type: ignore[no-untyped-call]
        # Sources may be stored as lists of lines; rules read text.
        for cell in notebook["cells"]:
            cell.source = "".join(cell.source)
            for output in cell.get("outputs", []):
                if "text" in output:
                    output.text = "".join(output.text)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CivicmlError(f"it is not a notebook that can be read: {error}.") from error
    return Sheet(_name(course, path), notebook)


def _check_layout(course: Course, folder: Path) -> Iterator[Problem]:
    place = _name(course, folder)
    for wanted in (README, f"{NOTEBOOK}.ipynb"):
        if not (folder / wanted).is_file():
            yield Problem(place, None, f"'{wanted}' is missing.")
    lessons = lesson_files(folder)
    numbers = [int(match[1]) for path in lessons if (match := _LESSON.fullmatch(path.name))]
    if numbers != list(range(1, LESSONS + 1)):
        found = ", ".join(path.name for path in lessons) or "none"
        yield Problem(place, None, f"there must be three lessons, lesson1_… to lesson3_…; found {found}.")
    for path in sorted(folder.glob("*.ipynb")):
        if path not in lessons and path.stem != NOTEBOOK:
            yield Problem(
                _name(course, path), None, "it is neither a lesson ('lesson1_….ipynb') nor the lab."
            )


def _check_file(course: Course, week: Week, path: Path) -> Iterator[Problem]:
    try:
        sheet = open_sheet(course, path)
    except CivicmlError as error:
        yield Problem(_name(course, path), None, str(error))
        return
    yield from check_notebook(sheet)
    if _LESSON.fullmatch(path.name):
        yield from check_lesson(sheet)
    elif path.stem == NOTEBOOK:
        try:
            lab = read_assignment(path)
        except CivicmlError as error:
            yield sheet.problem(None, str(error))
            return
        yield from check_lab(sheet, lab, week)


def _name(course: Course, path: Path) -> str:
    return path.relative_to(course.root).as_posix()
