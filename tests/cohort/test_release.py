"""Releasing a lab, again after a correction, and fetching it."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from civicml.assignment import CODE_STUB, read_notebook
from civicml.cohort import fetch, release
from civicml.errors import CivicmlError


@pytest.fixture
def correct(cohort, week, tiny):
    """Changes the instructor's lab and releases it again: ``correct(cells)``."""

    def do(cells):
        tiny.write_lab(cohort.course.root, cells)
        return release(cohort, week)

    return do


def released_text(cohort, week) -> str:
    return (cohort.exchange / "outbound" / week.name / "lab.ipynb").read_text()


def test_what_is_released_holds_no_solution_and_no_hidden_test(cohort, week):
    text = released_text(cohort, week)
    for secret in (
        "secret_case",
        "comes twice",
        "sum(values)",
        "max(values)",
        "model answer",
        "HIDDEN",
        "SOLUTION",
    ):
        assert secret not in text
    assert "1 + 2 is 3" in text


def test_what_is_released_says_what_to_do_in_place_of_a_solution(cohort, week):
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in read_notebook(
        cohort.exchange / "outbound" / week.name / "lab.ipynb").cells}  # fmt: skip
    assert CODE_STUB in cells["q1"].source
    assert cells["q1_test"].metadata["editable"] is False


def test_the_source_is_kept_without_outputs_for_nbgrader(cohort, week, correct, tiny):
    cells = tiny.lab_cells()
    cells[1].outputs = [nbformat.v4.new_output("stream", text="an output")]
    correct(cells)
    source = cohort.notebook("source", week).read_text()
    assert "secret_case" in source
    assert "an output" not in source


def test_releasing_sets_the_deadline_in_the_gradebook_in_utc(cohort, week):
    with cohort.logged(), cohort.gradebook() as gradebook:
        assert gradebook.find_assignment("week01").duedate.isoformat() == "2026-01-21T17:00:00"
        assert gradebook.find_assignment("week01").max_score == 10


def test_releasing_again_unchanged_says_that_nothing_is_different(cohort, week):
    done = release(cohort, week)
    assert done.again
    assert done.changes == ()
    assert (done.questions, done.points) == (3, 10)


def test_releasing_again_says_what_learners_do_not_have(correct, tiny):
    cells = tiny.lab_cells()
    cells[2].source += " Of a list of numbers."
    cells[4].source = cells[4].source.replace("1 + 2 is 3", "one and two are three")
    cells[7].metadata["nbgrader"]["points"] = 1
    done = correct(cells)
    assert done.changes == (
        "The text before 'q1' reads differently.",
        "Cell 'q1_test' reads differently.",
        "Cell 'q2_visible' is worth 1 points, not 2.",
    )


def test_a_changed_hidden_test_is_no_change_for_learners(correct, cohort, week, tiny):
    cells = tiny.lab_cells()
    cells[4].source = cells[4].source.replace("[10, 20, 30, 40]", "[100]")
    assert correct(cells).changes == ()
    assert "[100]" in cohort.notebook("source", week).read_text()


def test_nothing_is_released_that_would_show_a_solution(correct, cohort, week, tiny):
    before = released_text(cohort, week)
    cells = tiny.lab_cells()
    # nbgrader leaves a region alone whose marker it does not know; a word in its place is easily mistyped.
    cells[3].source = cells[3].source.replace("### END SOLUTION", "### END OF SOLUTION")
    with pytest.raises(CivicmlError, match="Nothing was released"):
        correct(cells)
    assert released_text(cohort, week) == before
    assert "END OF SOLUTION" not in cohort.notebook("source", week).read_text()


def test_metadata_cannot_carry_a_hidden_test_out(correct, cohort, week, tiny):
    cells = tiny.lab_cells()
    cells[4].metadata["note"] = "secret_case = [10, 20, 30, 40]"
    before = released_text(cohort, week)
    with pytest.raises(CivicmlError, match="only instructors may see"):
        correct(cells)
    assert released_text(cohort, week) == before


def test_a_question_cannot_come_or_go_once_work_was_graded(correct, cohort, week, hand_in, tiny):
    hand_in("ann")
    with cohort.logged(), cohort.gradebook() as gradebook:
        gradebook.update_or_create_submission("week01", "ann")
    before = released_text(cohort, week)
    more = tiny.marked(new_code_cell("assert True"), "q9_test", grade=True, locked=True, points=1)
    with pytest.raises(CivicmlError, match="has submissions already"):
        correct([*tiny.lab_cells(), more])
    assert released_text(cohort, week) == before
    cells = tiny.lab_cells()
    cells[4].source += "\n# a comment"
    assert correct(cells).changes == ("Cell 'q1_test' reads differently.",)


@pytest.mark.parametrize("name", ["week02", "2", "week99", "nonsense"])
def test_a_week_that_is_not_there_is_refused(cohort, name):
    with pytest.raises(CivicmlError):
        release(cohort, cohort.course.week(name))


def test_a_missing_lab_is_one_sentence(cohort, week):
    (cohort.course.folder(week) / "lab.ipynb").unlink()
    with pytest.raises(CivicmlError, match="no notebook at"):
        release(cohort, week)


def test_nothing_half_made_stays_in_the_cohort_or_the_exchange(cohort, week, correct, tiny):
    cells = tiny.lab_cells()
    cells[4].metadata["note"] = "secret_case = [10, 20, 30, 40]"
    with pytest.raises(CivicmlError):
        correct(cells)
    hidden = [path for path in cohort.root.rglob(".*") if path.name not in (".lock", ".mlflow.db.lock")]
    assert hidden == []


# --- fetching -------------------------------------------------------------------------------------


def test_a_learner_gets_the_lab(cohort, week, tmp_path):
    got = fetch(cohort, week, tmp_path / "desk")
    assert got.new
    assert got.notebook == tmp_path / "desk" / "week01" / "lab.ipynb"
    assert CODE_STUB in got.notebook.read_text()


def test_a_learners_own_work_is_never_overwritten(cohort, week, work, tmp_path):
    notebook = work("ann", q1="my own answer")
    got = fetch(cohort, week, tmp_path / "desks" / "ann")
    assert not got.new
    assert got.newer is None
    assert "my own answer" in notebook.read_text()


def test_after_a_correction_the_new_version_is_put_beside_their_own(
    cohort, work, week, correct, tmp_path, tiny
):
    notebook = work("ann", q1="my own answer")
    cells = tiny.lab_cells()
    cells[4].source = cells[4].source.replace("1 + 2 is 3", "one and two are three")
    correct(cells)
    got = fetch(cohort, week, tmp_path / "desks" / "ann")
    assert "my own answer" in notebook.read_text()
    assert "one and two are three" in got.newer.read_text()


def test_a_lost_lab_is_fetched_again(cohort, week, work, tmp_path):
    work("ann").unlink()
    assert fetch(cohort, week, tmp_path / "desks" / "ann").new


def test_a_week_that_was_not_released_says_when_it_is_planned(course, tmp_path, tiny):

    from civicml.cohort import init

    cohort = init(tmp_path / "cohort", start=tiny.START)
    with pytest.raises(CivicmlError, match="not been released yet; it is planned for Monday 12 January 2026"):
        fetch(cohort, cohort.course.week("week01"), tmp_path)


def test_a_changed_deadline_is_told(cohort, week, correct, tiny):
    with cohort.logged(), cohort.gradebook() as gradebook:
        gradebook.update_or_create_assignment("week01", duedate="2026-01-19 12:00:00")
    assert correct(tiny.lab_cells()).changes == ("The deadline is now Wednesday 21 January 2026, 17:00.",)


def test_a_damaged_learners_copy_is_one_sentence(cohort, week, work, tmp_path):
    work("ann").write_text("{")
    with pytest.raises(CivicmlError, match="not a notebook"):
        fetch(cohort, week, tmp_path / "desks" / "ann")
