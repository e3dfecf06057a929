"""The visible tests, run by a learner, and told kindly."""

import shutil

import pytest

from civicml.cohort import check
from civicml.cohort.checking import find_lab
from civicml.errors import CivicmlError


def states(checked) -> dict[str, str]:
    return {one.name: one.state for one in checked.questions}


def of(checked, name):
    return next(one for one in checked.questions if one.name == name)


def test_each_question_is_told_with_its_points_and_title(work, tiny):
    notebook = work("ann", q1="def total(values):\n    return 0", q2=tiny.RIGHT["q2"])
    before = notebook.read_bytes()
    checked = check(str(notebook))
    assert states(checked) == {"q1": "look again", "q2": "passed so far", "q3": "not answered"}
    first = of(checked, "q1")
    assert (first.title, first.points, first.message) == ("1. Add up", 4, "1 + 2 is 3, you returned 0")
    assert (checked.points, checked.passed, checked.remarks) == (10, False, ())
    assert notebook.read_bytes() == before


def test_finished_work_passes(work, tiny):
    checked = check(str(work("ann", **tiny.RIGHT)))
    assert states(checked) == {"q1": "passed", "q2": "passed so far", "q3": "a person marks it"}
    assert checked.passed


def test_an_unanswered_question_does_not_hide_a_mistake_in_the_next(work, tiny):
    import nbformat

    notebook = work("ann", q2="def largest(values):\n    return 7")
    tiny.change(
        notebook, lambda nb: nb.cells.insert(5, nbformat.v4.new_code_cell("everything = total(numbers)"))
    )
    checked = check(str(notebook))
    assert states(checked) == {"q1": "not answered", "q2": "look again", "q3": "not answered"}
    assert of(checked, "q2").message == "Of 1 and 2 the larger is 2"
    assert checked.remarks == ()


def test_a_cell_that_stops_before_the_questions_is_told_first(work, tiny):
    notebook = work("ann", **tiny.RIGHT)

    def spoil(nb):
        nb.cells[1].source = "import civicml.nothing"

    tiny.change(notebook, spoil)
    [remark] = check(str(notebook)).remarks
    assert remark.startswith(
        "Look at this first: the cell that begins 'import civicml.nothing' stops. ModuleNot"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            "def total(values)\n    return 1",
            r"Your own cell stops: SyntaxError: expected ':' \(line 1 of the cell\)$",
        ),
        ("def total(values):\n    return values.sum()", "^AttributeError: 'list' object .*line 2 of total"),
        ("raise KeyError('x')", "Your own cell stops: KeyError: 'x'"),
    ],
)
def test_an_error_is_one_line_that_says_where(work, answer, said):
    import re

    message = of(check(str(work("ann", q1=answer))), "q1").message
    assert re.search(said, message)
    assert "\n" not in message
    assert "\x1b" not in message


def test_untouched_questions_are_not_called_mistakes(work):
    assert set(states(check(str(work("ann")))).values()) == {"not answered"}


def test_changed_lost_and_doubled_cells_are_told(cohort, work, tiny):
    notebook = work("ann", **tiny.RIGHT)

    def spoil(nb):
        cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in nb.cells}
        cells["q1_test"].source = "pass"
        nb.cells.append(
            type(cells["q1"])({**cells["q1"], "id": "copied", "metadata": dict(cells["q1"].metadata)})
        )
        nb.cells.remove(cells["q2_hidden"])

    tiny.change(notebook, spoil)
    checked = check(str(notebook), cohort=cohort.root)
    said = " ".join(checked.remarks)
    for part in (
        "locked cell 'q1_test' was changed",
        "'q1' is there more than once",
        "'q2_hidden' is missing",
    ):
        assert part in said
    assert not checked.passed


def test_a_cell_turned_into_text_is_told(work, tiny):
    notebook = work("ann", **tiny.RIGHT)

    def turn(nb):
        for number, cell in enumerate(nb.cells):
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "q1_test":
                kept = {
                    "cell_type": "markdown",
                    "id": cell.id,
                    "metadata": cell.metadata,
                    "source": cell.source,
                }
                nb.cells[number] = type(cell)(kept)

    tiny.change(notebook, turn)
    assert "'q1_test' was turned into markdown" in " ".join(check(str(notebook)).remarks)


def test_it_works_in_a_kit_with_no_cohort_and_no_repository(work, tiny, tmp_path, monkeypatch):
    kit = tmp_path / "kit"
    (kit / "course").mkdir(parents=True)
    (kit / "course" / "course.toml").write_text(tiny.COURSE)
    (kit / "kit.toml").touch()
    shutil.copytree(work("ann", **tiny.RIGHT).parent, kit / "modules" / "week01_tiny")
    monkeypatch.chdir(kit)
    assert check("week01").passed
    expected = kit / "modules" / "week01_tiny" / "lab.ipynb"
    for what in (None, "week01", "1", "modules/week01_tiny", "modules/week01_tiny/lab.ipynb"):
        assert find_lab(what, kit).resolve() == expected


def test_runs_that_a_check_logs_are_not_kept(work, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mine.db'}")
    tell = "import os\nassert 'mine.db' not in os.environ['MLFLOW_TRACKING_URI']"
    checked = check(str(work("ann", q1=f"{tell}\n\ndef total(values):\n    return sum(values)")))
    assert of(checked, "q1").state == "passed"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nowhere.ipynb", "no notebook at"),
        ("week77", "no week called 'week77'"),
        (None, r"There is no lab\.ipynb in"),
        ("week01", "civicml fetch week01"),
    ],
)
def test_a_lab_that_is_not_there_is_one_sentence(course, tmp_path, what, said):
    with pytest.raises(CivicmlError, match=said):
        check(what, tmp_path)


def test_what_is_not_a_lab_is_one_sentence(tmp_path, work, tiny):
    notebook = work("ann")
    tiny.change(notebook, lambda nb: [cell.metadata.pop("nbgrader", None) for cell in nb.cells])
    with pytest.raises(CivicmlError, match="not a lab"):
        check(str(notebook))
    notebook.write_text("{}")
    with pytest.raises(CivicmlError, match="not a notebook"):
        check(str(notebook))


def test_in_a_folder_of_several_labs_one_must_be_named(work, tmp_path):
    place = work("ann").parent
    shutil.copytree(place, place.parent / "week02")
    with pytest.raises(CivicmlError, match=r"several labs .* \(week01, week02\)"):
        check(None, place.parent)


def test_what_a_test_says_is_told_to_the_letter(work):
    answer = "def total(values):\n    raise AssertionError('There are two spaces in\\n  8  to 14 Days.')"
    assert of(check(str(work("ann", q1=answer))), "q1").message == "There are two spaces in 8  to 14 Days."


def test_it_runs_in_the_sandbox_that_grading_uses_and_says_so_where_it_cannot(work, tiny, monkeypatch):
    reach = "import os\nassert os.path.abspath('.') == '/home/learner'\n\n"
    notebook = work("ann", **{**tiny.RIGHT, "q1": reach + tiny.RIGHT["q1"]})
    checked = check(str(notebook))
    assert (checked.passed, checked.no_sandbox) == (True, "")

    from civicml.cohort import checking
    from civicml.cohort.engine import Walls

    monkeypatch.setattr(checking, "walls", lambda: Walls("nbgrader", "This is no sandbox."))
    checked = check(str(work("bo", **tiny.RIGHT)))
    assert checked.passed
    assert checked.no_sandbox.startswith("Your notebook ran as you, in no sandbox")


@pytest.mark.parametrize("executor", ["engine", "nbgrader"])
def test_both_ways_of_running_say_the_same(work, tiny, monkeypatch, executor):
    from civicml.cohort import checking
    from civicml.cohort.engine import walls

    monkeypatch.setattr(checking, "walls", lambda: walls(executor))
    notebook = work(
        "ann", q1="def total(values):\n    return values.nothing", q2="def largest(values):\n    return 7"
    )
    checked = check(str(notebook))
    assert states(checked) == {"q1": "look again", "q2": "look again", "q3": "not answered"}
    assert (
        of(checked, "q1").message
        == "AttributeError: 'list' object has no attribute 'nothing' (line 2 of total)"
    )
    assert of(checked, "q2").message == "Of 1 and 2 the larger is 2"
