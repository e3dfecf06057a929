"""What keeps a run that went wrong from earning marks, and a notebook in its lab's shape."""

import copy
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from civicml.assignment import student_version
from civicml.autograder.canonical import canonicalise, unanswered
from civicml.autograder.execute import GuardedExecute
from civicml.autograder.hidden import hidden_lines, secret_lines, shows
from civicml.autograder.settings import logging_to


def run(*cells, **settings):
    """Run code cells; graded ones are ``(source, points)``."""
    notebook = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "", "language": ""}})
    for number, cell in enumerate(cells):
        source, points = cell if isinstance(cell, tuple) else (cell, None)
        notebook.cells.append(new_code_cell(source))
        if points is not None:
            notebook.cells[-1].metadata["nbgrader"] = {
                "grade": True, "solution": False, "locked": True, "grade_id": f"t{number}", "points": points,
            }  # fmt: skip
    with logging_to(None):
        GuardedExecute(shutdown_kernel="immediate", **settings).preprocess(notebook, {})
    return notebook.cells


def errors(cell) -> list[str]:
    return [output.ename for output in cell.outputs if output.output_type == "error"]


def score(cell) -> float:
    from nbgrader.utils import determine_grade

    return determine_grade(cell)[0]


def test_cells_that_end_or_hang_the_kernel_fail_and_the_others_are_run():
    hang = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "while True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass"
    )
    cells = run(
        "a = 1",
        "import os\nos._exit(0)",
        ("assert a == 1", 1),
        hang,
        ("assert a == 1", 1),
        timeout=1,
        iopub_timeout=1,
    )
    assert errors(cells[1]) == ["DeadKernelError"]
    assert errors(cells[3]) == ["CellTimeoutError"]
    assert [score(cells[2]), score(cells[4])] == [1, 1]


def test_a_test_cell_that_ends_the_kernel_earns_nothing():
    cells = run("def answer():\n    import os\n    os._exit(0)", ("answer()", 4), ("assert True", 1))
    assert [score(cells[1]), score(cells[2])] == [0, 1]


def test_after_too_many_dead_kernels_the_rest_counts_as_failed(monkeypatch):
    monkeypatch.setattr("civicml.autograder.execute._MOST_RESTARTS", 1)
    cells = run(*["import os\nos._exit(0)"] * 3, ("assert True", 1))
    assert [errors(cell) for cell in cells[1:]] == [["DeadKernelError"], ["NotRunError"], ["NotRunError"]]
    assert score(cells[3]) == 0


def test_a_notebook_that_uses_up_its_time_earns_nothing_for_what_was_not_run():
    cells = run("import time\ntime.sleep(1.2)", ("assert True", 1), notebook_timeout=1)
    assert score(cells[1]) == 0


def test_a_loop_is_interrupted_and_the_rest_is_run():
    cells = run("while True:\n    pass", ("assert True", 1), timeout=1)
    assert errors(cells[0])
    assert score(cells[1]) == 1


def test_something_displayed_before_a_failure_earns_nothing():
    cells = run(
        ("from IPython.core.displayhook import DisplayHook\nget_ipython().displayhook(4)\nassert False", 4)
    )
    assert cells[0].outputs[0].output_type == "error"
    assert score(cells[0]) == 0


def test_an_endless_output_is_cut():
    cells = run("print('x' * 1000)", longest_output=100)
    assert len(cells[0].outputs[0].text) < 200
    assert "1,001 characters" in cells[0].outputs[0].text


# --- the lab's shape ------------------------------------------------------------------------------


@pytest.fixture
def released(tiny):
    lab = new_notebook(cells=nbformat.from_dict(tiny.lab_cells()))
    for number, cell in enumerate(lab.cells):
        cell["id"] = f"cell-{number}"
    return student_version(lab)


def names(notebook) -> list[str]:
    found = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
    return [name for name in found if name]


def test_an_honest_notebook_is_left_exactly_as_it_is(released, tiny):
    own = copy.deepcopy(released)
    tiny.fill(own, tiny.RIGHT)
    own.cells.insert(3, new_code_cell("print('a try of my own')"))
    before = json.dumps(own)
    assert canonicalise(own, released) == []
    assert json.dumps(own) == before


@pytest.mark.parametrize(
    "change",
    [
        {"points": 400},
        {"points": "abc"},
        {"schema_version": 99},
        {"grade": False},
        {"solution": True},
        {"grade_id": "q1_test", "locked": False, "points": -1},
    ],
)
def test_changed_metadata_is_put_right_and_told(released, change):
    own = copy.deepcopy(released)
    cell = own.cells[4]
    was = dict(cell.metadata["nbgrader"])
    cell.metadata["nbgrader"].update(change)
    assert "'q1_test'" in " ".join(canonicalise(own, released))
    assert dict(cell.metadata["nbgrader"]) == was


@pytest.mark.parametrize("lost", [None, 5, [], "q1_test", {}])
def test_a_cell_that_lost_its_marking_is_known_by_its_id(released, lost):
    own = copy.deepcopy(released)
    if lost is None:
        del own.cells[4].metadata["nbgrader"]
    else:
        own.cells[4].metadata["nbgrader"] = lost
    canonicalise(own, released)
    assert names(own) == names(released)


def test_without_any_marking_and_ids_the_tests_come_after_the_learners_code(released):
    own = copy.deepcopy(released)
    for cell in own.cells:
        cell.metadata.pop("nbgrader", None)
        cell.pop("id", None)
    canonicalise(own, released)
    assert [name for name in names(released) if name not in ("q1", "q2")] == names(own)
    assert names(own) == ["q1_test", "q2_visible", "q2_hidden", "q3"]
    assert "def largest" in "".join(cell.source for cell in own.cells[: -len(names(own))])


def test_moved_cells_go_back_into_the_labs_order(released):
    own = copy.deepcopy(released)
    own.cells.insert(0, own.cells.pop(7))
    assert any("moved" in note for note in canonicalise(own, released))
    assert names(own) == names(released)


def test_of_two_copies_the_last_one_is_graded(released):
    own = copy.deepcopy(released)
    again = copy.deepcopy(own.cells[3])
    again["id"], again.source = "another", "the last try"
    own.cells.insert(4, again)
    canonicalise(own, released)
    assert names(own) == names(released)
    assert next(c for c in own.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "q1") is again


def test_a_missing_test_is_put_back_before_the_labs_next_cell(released):
    own = copy.deepcopy(released)
    del own.cells[4]
    own.cells.insert(4, new_code_cell("helper = 1"))
    canonicalise(own, released)
    assert names(own) == names(released)
    order = [cell.source for cell in own.cells]
    assert order.index("helper = 1") < [
        c.metadata.get("nbgrader", {}).get("grade_id") for c in own.cells
    ].index("q1_test")


def test_unanswered_questions_are_those_left_as_released(released, tiny):
    own = copy.deepcopy(released)
    assert unanswered(own, released) == ["q1", "q2", "q3"]
    tiny.fill(own, {"q2": "def largest(values):\n    return 1"})
    assert unanswered(own, released) == ["q1", "q3"]


# --- hidden tests ---------------------------------------------------------------------------------


def test_a_hidden_line_is_known_however_it_is_quoted(tiny):
    hidden = hidden_lines(new_notebook(cells=nbformat.from_dict(tiny.lab_cells())))
    line = "secret_case = [10, 20, 30, 40]  # a long one"
    hidden |= hidden_lines(
        new_notebook(cells=[new_code_cell(f"# BEGIN HIDDEN TESTS\n{line}\n# END HIDDEN TESTS")])
    )
    for text in (line, repr(line), json.dumps([f"{line}\n"]), f"\x1b[31m{line}\x1b[0m"):
        assert shows(text, hidden)
    assert not shows("assert total([1, 2]) == 3", hidden)


def test_what_may_be_read_elsewhere_in_the_lab_is_no_secret(tiny):
    cells = tiny.lab_cells()
    cells[0].source += "\nsecret_case = [10, 20, 30, 40]"
    lab = new_notebook(cells=nbformat.from_dict(cells))
    assert not shows("secret_case = [10, 20, 30, 40]", hidden_lines(lab))
    assert shows("A secret model answer.", secret_lines(lab))
