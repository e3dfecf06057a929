"""Checking one's own lab before handing it in; works in a learner kit, without any cohort.

It must not know how work is handed in or graded.
"""

import re
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from civicml.assignment import NOTEBOOK
from civicml.autograder.check import Check, check_notebook
from civicml.autograder.grade import LEARNER_VARIABLE
from civicml.autograder.pool import Grader
from civicml.autograder.script import read_script
from civicml.autograder.settings import logging_to
from civicml.autograder.verdict import Result
from civicml.cohort.directory import COHORT_FILE, Cohort, open_cohort
from civicml.cohort.engine import engine_settings, walls
from civicml.cohort.kernels import scratch_variables
from civicml.course import find_root, load_course
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbformat import NotebookNode

_KIT_FILE = "kit.toml"
_NO_SANDBOX = "Your notebook ran as you, in no sandbox: this machine cannot make the one that grading uses."


def check(what: str | None = None, folder: Path | None = None, cohort: Path | None = None) -> Check:
    """Run the visible tests of a learner's lab. Runs that it logs go to a store that is dropped.

    Args:
        what: a notebook, or a week (``week01``, ``1``); the lab in `folder` when not given.
        folder: where the learner works; the working directory when not given.
        cohort: a cohort's directory, to compare with what was released; may not exist.

    Raises:
        CivicmlError: there is no such notebook, or it is not a lab.
    """
    notebook = find_lab(what, (folder or Path.cwd()).expanduser())
    with logging_to(None), tempfile.TemporaryDirectory(prefix="civicml-check-") as scratch:
        variables = scratch_variables(Path(scratch))
        del variables["IPYTHONDIR"]
        opened = _opened(cohort)
        if opened and not _is_in_a_course(notebook):
            # the data that the lab loads is built from it
            variables["CIVICML_COURSE"] = str(opened.course.root)
        released = _released(notebook, opened)
        around = walls()
        if around.no_sandbox:
            checked = check_notebook(notebook.resolve(), variables, released)
            return replace(checked, no_sandbox=_NO_SANDBOX)
        run = partial(_run, Path(scratch, "engine"), _course_of(notebook, opened))
        return check_notebook(notebook.resolve(), {}, released, run)


def _run(scratch: Path, root: Path | None, notebook: "NotebookNode") -> Result:
    """Run a learner's own lab as grading runs it: in the sandbox, with the week's tables and a store."""
    import nbformat

    scratch.mkdir()
    place = scratch / f"{NOTEBOOK}.ipynb"
    nbformat.write(notebook, place)  # type: ignore[no-untyped-call]
    lab = read_script(place)
    grader = Grader(lab, engine_settings(lab, root, scratch))
    try:
        return grader.try_out({LEARNER_VARIABLE: "learner"})
    finally:
        grader.close()


def _course_of(notebook: Path, cohort: Cohort | None) -> Path | None:
    try:
        return find_root(notebook.resolve().parent)
    except CivicmlError:
        return cohort.course.root if cohort else None


def find_lab(what: str | None, folder: Path) -> Path:
    """The notebook that a learner in `folder` means by `what`.

    Raises:
        CivicmlError: there is none, or more than one.
    """
    name = f"{NOTEBOOK}.ipynb"
    if what is None:
        kits = folder.glob(f"modules/week*/{name}") if (folder / _KIT_FILE).is_file() else ()
        places = [folder / name, *sorted(folder.glob(f"week*/{name}")), *sorted(kits)]
        found = [place for place in places if place.is_file()]
        if len(found) == 1 or (found and found[0] == folder / name):
            return found[0]
        several = ", ".join(place.parent.name for place in found)
        raise CivicmlError(
            f"There are several labs in '{folder}' ({several}); name one of them."
            if found
            else f"There is no {name} in '{folder}'. Name a notebook, or a week that you have fetched."
        )
    named = folder / what
    if named.suffix == ".ipynb" or named.is_file():
        if not named.is_file():
            raise CivicmlError(f"There is no notebook at '{named}'.")
        return named
    if named.is_dir() and (named / name).is_file():
        return named / name
    week = load_course().week(what)
    root = find_root()
    places = [folder / week.name, folder / week.folder]
    if folder.resolve().name in (week.name, week.folder):
        places.insert(0, folder)
    if (root / _KIT_FILE).is_file():  # in the repository this is the instructor's version
        places += [root / week.name, root / "modules" / week.folder]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise CivicmlError(
        f"There is no {week.name}/{name} in '{folder.resolve()}'. Run 'civicml fetch {week.name}' to get "
        "the lab."
    )


def _opened(place: Path | None) -> Cohort | None:
    if place is None or not (place / COHORT_FILE).is_file():
        return None
    try:
        return open_cohort(place)
    except CivicmlError:
        return None


def _is_in_a_course(notebook: Path) -> bool:
    try:
        find_root(notebook.resolve().parent)
    except CivicmlError:
        return False
    return True


def _released(notebook: Path, cohort: Cohort | None) -> Path | None:
    """The lab as it was released, when the cohort is within reach and the directory says which week."""
    week = re.match(r"week\d\d", notebook.resolve().parent.name)
    if cohort is None or week is None:
        return None
    released = cohort.exchange / "outbound" / week[0] / f"{NOTEBOOK}.ipynb"
    return released if released.is_file() else None
