"""The engine as one of nbgrader's steps: what nbgrader reads off the outputs is what the tests said."""

import copy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import NoSuchKernel
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import determine_grade
from traitlets.config import Config

from civicml.autograder import sandbox
from civicml.cohort.executor import EngineExecute

EQUAL_TO_ALL = "class Anything:\n    def __eq__(self, other):\n        return True\n\nnumber = Anything()"
SILENT = (
    "import IPython.core.interactiveshell as shell\n"
    "shell.InteractiveShell.showtraceback = lambda *a, **k: None\n"
    "number = 0"
)


def cell(name: str, source: str, **flags: Any) -> NotebookNode:
    plain = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    made = new_code_cell(source)
    made.metadata["nbgrader"] = {**plain, "grade_id": name, **flags}
    return made


def lab() -> NotebookNode:
    """q1: all or nothing, with a hidden test; q2: as many points as words; q3: a file beside the lab."""
    notebook = new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    test = {"grade": True, "locked": True}
    hidden = "### BEGIN HIDDEN TESTS\nassert number == 42\n### END HIDDEN TESTS"
    notebook.cells = [
        cell("q1", "number = 42", solution=True),
        cell("q1_test", f"assert number > 0\n{hidden}", points=4, **test),
        cell("q2", "words = ['a', 'b', 'c']", solution=True),
        cell("q2_test", "min(len(words), 3)", points=3, **test),
        cell("q3", "rows = open('data.csv').read().split()", solution=True),
        cell("q3_test", "assert rows == open('data.csv').read().split()", points=1, **test),
    ]
    return notebook


@pytest.fixture
def course(tmp_path: Path) -> Path:
    if not sandbox.sandboxed(sandbox.protections()):
        pytest.skip("this machine cannot make the sandbox")
    folder = tmp_path / "course" / "source" / "ps1"
    folder.mkdir(parents=True)
    nbformat.write(lab(), folder / "p1.ipynb")
    (folder / "data.csv").write_text("a\nb\n")
    return tmp_path / "course"


def run(course: Path, notebook: NotebookNode, **settings: Any) -> NotebookNode:
    """Run the step as nbgrader does, after its sanitising ones."""
    config = Config({"CourseDirectory": {"root": str(course)}, "EngineExecute": settings})
    of = {"assignment": "ps1", "notebook": "p1", "student": "ann"}
    return EngineExecute(config=config).preprocess(notebook, {"nbgrader": of, "metadata": {}})[0]


def answered(**answers: str) -> NotebookNode:
    notebook = lab()
    for one in notebook.cells:
        one.source = answers.get(one.metadata.nbgrader.grade_id, one.source)
    return notebook


def marks(notebook: NotebookNode) -> list[float]:
    return [determine_grade(one)[0] for one in notebook.cells if one.metadata.nbgrader.grade]


def test_the_labs_own_solution_earns_all_and_partial_credit_is_read_off_the_output(course: Path) -> None:
    assert marks(run(course, lab())) == [4, 3, 1]
    assert marks(run(course, answered(q2="words = ['a', 'b']"))) == [4, 2, 1]


@pytest.mark.parametrize("answer", ["number = 41", "number = 1 / 0", "pass", EQUAL_TO_ALL, SILENT])
def test_a_wrong_answer_and_a_trick_leave_an_error_in_the_test(course: Path, answer: str) -> None:
    graded = run(course, answered(q1=answer))

    assert marks(graded) == [0, 3, 1]
    assert [output.output_type for output in graded.cells[1].outputs] == ["error"]


@pytest.mark.parametrize("answer", ["import os\nos._exit(0)", "while True:\n    pass"])
def test_a_cell_that_ends_or_hangs_costs_its_own_question(course: Path, answer: str) -> None:
    graded = run(course, answered(q1=answer), timeout=2)

    assert marks(graded) == [0, 3, 1]
    assert graded.cells[0].outputs[-1].output_type == "error"


def test_tests_that_find_no_process_to_ask_hold_an_error(course: Path) -> None:
    graded = run(course, answered(q1="while True:\n    pass"), timeout=60, notebook_timeout=1)

    assert marks(graded) == [0, 0, 0]


def test_more_than_the_most_earns_nothing(course: Path) -> None:
    notebook = lab()
    notebook.cells[3].source = "len(words)"
    notebook.cells[2].source = "words = list('abcdefgh')"

    assert marks(run(course, notebook)) == [4, 0, 1]


def test_the_gradebooks_tests_count_where_the_source_was_edited_since(course: Path) -> None:
    edited = lab()
    edited.cells[1].source = "assert number == 7"
    nbformat.write(edited, course / "source" / "ps1" / "p1.ipynb")

    assert marks(run(course, lab())) == [4, 3, 1]
    assert marks(run(course, answered(q1="number = 7"))) == [0, 3, 1]


def test_a_lab_whose_own_solution_fails_is_graded_and_tricks_earn_nothing(course: Path) -> None:
    unsolved = lab()
    unsolved.cells[0].source = "raise NotImplementedError"
    nbformat.write(unsolved, course / "source" / "ps1" / "p1.ipynb")

    assert marks(run(course, lab())) == [4, 3, 1]
    assert marks(run(course, answered(q1=EQUAL_TO_ALL))) == [0, 3, 1]


def test_without_the_instructors_notebook_tricks_earn_nothing_either(course: Path) -> None:
    (course / "source" / "ps1" / "p1.ipynb").unlink()
    without_files = [cell for cell in lab().cells if not cell.metadata.nbgrader.grade_id.startswith("q3")]
    right, trick = (copy.deepcopy(lab()) for _ in range(2))
    right.cells, trick.cells = without_files, copy.deepcopy(without_files)
    trick.cells[0].source = EQUAL_TO_ALL

    assert marks(run(course, right)) == [4, 3]
    assert marks(run(course, trick)) == [0, 3]


def test_what_hidden_tests_show_is_marked_for_feedback(course: Path) -> None:
    graded = run(course, answered(q1="number = 44"))

    assert graded.cells[1].metadata["civicml_hidden"]
    assert graded.cells[2].metadata["civicml_after_tests"]


def test_a_kernel_that_is_no_python_is_left_to_nbgrader(course: Path) -> None:
    notebook = lab()
    notebook.metadata["kernelspec"]["name"] = "blah"

    with pytest.raises(NoSuchKernel):
        run(course, notebook)
