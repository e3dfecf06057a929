"""A course with one tiny lab, and a cohort of four that takes it."""

import shutil
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from civicml.assignment import read_notebook
from civicml.cohort import Cohort, Learner, fetch, init, open_cohort, release, submit
from civicml.cohort.handing_in import end_service

REPOSITORY = Path(__file__).parents[2]

COURSE = """
title = "A tiny course"
organisation = "test"
timezone = "Europe/London"
[late]
grace_minutes = 15
percent_per_day = 10.0
at_most_percent = 50.0
[[weeks]]
number = 1
folder = "week01_tiny"
title = "Tiny"
question = "Does it add up?"
outcomes = ["Add"]
datasets = []
hours = 1.0
points = 10
release = { day = 0, time = 09:00:00 }
due = { day = 9, time = 17:00:00 }
written = true
[[weeks]]
number = 2
folder = "week02_later"
title = "Later"
question = "What comes next?"
outcomes = ["Wait"]
datasets = []
hours = 1.0
points = 10
release = { day = 7, time = 09:00:00 }
due = { day = 16, time = 17:00:00 }
written = false
"""
START = date(2026, 1, 12)
DUE = datetime(2026, 1, 21, 17, tzinfo=UTC)
IN_TIME = datetime(2026, 1, 20, 12, tzinfo=UTC)

RIGHT = {
    "q1": "def total(values):\n    return sum(values)",
    "q2": "def largest(values):\n    return max(values)",
    "q3": "The manager phones forty people.",
}
LEARNERS = (
    Learner("ann", "Ann", "Archer", "ann@example.org"),
    Learner("bo", "Bo", "Baker"),
    Learner("cy", "Cy", "Carter"),
    Learner("di", "Di", "Dean"),
)


def _marking(name, **flags):
    return {
        "grade": False, "solution": False, "locked": False, "task": False,
        "schema_version": 3, "grade_id": name, **flags,
    }  # fmt: skip


def marked(cell, name, **flags):
    cell.metadata["nbgrader"] = _marking(name, **flags)
    return cell


def solution(head: str, body: str) -> str:
    return f"{head}\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION"


def lab_cells():
    """q1: 4 points in one cell; q2: 2 visible and 2 hidden; q3: 2 points of prose."""
    return [
        new_markdown_cell("# A tiny lab"),
        new_code_cell("numbers = [3, 1, 2]"),
        new_markdown_cell("**1. Add up** (4 points). Write `total(values)`."),
        marked(
            new_code_cell(solution("def total(values):", "return sum(values)")),
            "q1",
            solution=True,
        ),
        marked(
            new_code_cell(
                "assert total([1, 2]) == 3, f'1 + 2 is 3, you returned {total([1, 2])}'\n"
                "### BEGIN HIDDEN TESTS\n"
                "secret_case = [10, 20, 30, 40]\n"
                "assert total(secret_case) == 100, (\n"
                "    'Try a longer list; '\n"
                "    f'yours adds up to {total(secret_case)}'\n"
                ")\n"
                "### END HIDDEN TESTS"
            ),
            "q1_test",
            grade=True,
            locked=True,
            points=4,
        ),
        new_markdown_cell("**2. The largest** (4 points). Write `largest(values)`."),
        marked(
            new_code_cell(solution("def largest(values):", "return max(values)")),
            "q2",
            solution=True,
        ),
        marked(
            new_code_cell("assert largest([1, 2]) == 2, 'Of 1 and 2 the larger is 2'"),
            "q2_visible",
            grade=True,
            locked=True,
            points=2,
        ),
        marked(
            new_code_cell(
                "### BEGIN HIDDEN TESTS\n"
                "import os\n"
                "assert os.environ['CIVICML_COHORT'], 'no cohort'\n"
                "assert largest([7, 5, 7, 6]) == 7, 'What if it comes twice?'\n"
                "### END HIDDEN TESTS"
            ),
            "q2_hidden",
            grade=True,
            locked=True,
            points=2,
        ),
        new_markdown_cell("**3. A memo** (2 points). Who acts?"),
        marked(new_markdown_cell("A secret model answer."), "q3", grade=True, solution=True, points=2),
    ]  # fmt: skip


def write_lab(root: Path, cells) -> None:
    notebook = new_notebook(cells=nbformat.from_dict(cells))
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, root / "modules" / "week01_tiny" / "lab.ipynb")


def write_course(root: Path) -> None:
    (root / "course").mkdir(parents=True)
    (root / "course" / "course.toml").write_text(COURSE)
    (root / "modules" / "week01_tiny").mkdir(parents=True)
    write_lab(root, lab_cells())
    (root / "autograder").mkdir()
    (root / "autograder" / "sandbox.toml").write_text('[worker]\nimports = ["pandas"]\n')
    shutil.copy(REPOSITORY / "autograder" / "nbgrader_config.py", root / "autograder")


@pytest.fixture(scope="session")
def tiny():
    """What is in this file, for tests: pytest imports no test directory by name."""
    return sys.modules[__name__]


@pytest.fixture(scope="module", autouse=True)
def _nobody_elses_course():
    """Cohorts made once for a module of tests must not find a course that other tests have named."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CIVICML_COHORT", "CIVICML_COURSE", "CIVICML_LEARNER", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Nothing of this machine's own state is read or written."""
    for name in (
        "CIVICML_COHORT",
        "CIVICML_COURSE",
        "CIVICML_LEARNER",
        "MLFLOW_TRACKING_URI",
        "JUPYTERHUB_USER",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    yield
    for cohort in (tmp_path / "cohort", tmp_path / "course" / "cohort"):
        end_service(cohort)  # a submission may have started one


@pytest.fixture(scope="session")
def _template(tmp_path_factory):
    """Making a gradebook takes a second: made once, copied for each test."""
    world = tmp_path_factory.mktemp("template")
    write_course(world / "course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COURSE", str(world / "course"))
        cohort = init(world / "cohort", name="Winter term", start=START, learners=LEARNERS)
        release(cohort, cohort.course.week("week01"))
    return world


@pytest.fixture
def course(tmp_path, monkeypatch):
    """The directory of a course of its own for this test, without a cohort."""
    write_course(tmp_path / "course")
    monkeypatch.setenv("CIVICML_COURSE", str(tmp_path / "course"))
    return tmp_path / "course"


@pytest.fixture
def cohort(_template, tmp_path) -> Cohort:
    """An open cohort in which week01 has been released."""
    shutil.copytree(_template, tmp_path, dirs_exist_ok=True)
    return open_cohort(tmp_path / "cohort")


@pytest.fixture
def week(cohort):
    return cohort.course.week("week01")


@pytest.fixture
def work(cohort, week, tmp_path):
    """Fetches a learner's lab and writes answers in it: ``work("ann", q1="…")``."""

    def write(learner: str, **answers: str) -> Path:
        notebook = fetch(cohort, week, tmp_path / "desks" / learner).notebook
        if answers:
            change(notebook, lambda nb: fill(nb, answers))
        return notebook

    return write


@pytest.fixture
def hand_in(cohort, week, work):
    """Does a learner's lab and hands it in."""

    def do(learner: str, now: datetime = IN_TIME, **answers: str):
        return submit(cohort, week, learner, work(learner, **answers), now=now)

    return do


def fill(notebook, answers) -> None:
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell.source = answers[name]


def change(path: Path, how) -> None:
    """Read a notebook, let `how` change it, and save it."""
    notebook = read_notebook(path)
    how(notebook)
    nbformat.write(notebook, path)
