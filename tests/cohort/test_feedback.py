"""Giving marks and feedback back, and finding them as a learner."""

import re
import stat
from datetime import timedelta

import pytest

from civicml.cohort import Learner, add_learners, fetch_feedback, grade, gradebook, progress, return_week
from civicml.errors import CivicmlError

SPY = """
def total(values):
    print('called with', values)
    if len(values) > 3:
        import inspect
        raise ValueError(inspect.stack()[1].code_context)
    return sum(values)"""
THIEF = """
def largest(values):
    import sys
    frame = sys._getframe(1)
    global stolen
    stolen = frame.f_globals['In'][-1]
    return max(values)"""
SECRETS = ("secret_case", "10, 20, 30, 40", "7, 5, 7, 6", "comes twice", "CIVICML_COHORT")


@pytest.fixture
def marked_by_hand(cohort):
    """Does what Formgrader does when a person marks the prose."""

    def do(learner: str, points: float = 2, comment: str = "Say who acts."):
        with cohort.logged(), cohort.gradebook() as book:
            prose = book.find_grade("q3", "lab", "week01", learner)
            prose.manual_score, prose.needs_manual_grade = points, False
            book.find_comment("q3", "lab", "week01", learner).manual_comment = comment
            book.db.commit()

    return do


@pytest.mark.parametrize("executor", ["engine", "nbgrader"])
def test_feedback_never_holds_the_text_of_a_hidden_test(cohort, week, hand_in, tmp_path, tiny, executor):
    import nbformat

    def add_a_look_back(notebook):
        notebook.cells.append(nbformat.v4.new_code_cell("print(stolen)\nprint(In)"))

    from civicml.cohort import fetch, submit

    notebook = fetch(cohort, week, tmp_path / "desks" / "ann").notebook
    tiny.change(notebook, lambda nb: (tiny.fill(nb, {"q1": SPY, "q2": THIEF}), add_a_look_back(nb)))
    submit(cohort, week, "ann", notebook, now=tiny.IN_TIME)
    grade(cohort, week, executor=executor)
    return_week(cohort, week, partial=True)
    page = fetch_feedback(cohort, week, "ann", tmp_path / "desks" / "ann").page.read_text()

    everything = page + (cohort.root / "feedback" / "ann" / "week01" / "lab.html").read_text()
    text = re.sub(r"<[^>]+>", "", everything)  # highlighting puts every word into a tag of its own
    for secret in SECRETS:
        assert secret not in text, secret
        assert secret not in everything
    for said in (
        "A test that you cannot see does not pass",
        "Hidden tests ran here",
        *(["taken out"] if executor == "nbgrader" else []),  # the engine's tests can be read by nobody
        "1 + 2 is 3",
    ):
        assert said in text


def test_which_hidden_test_failed_is_told_with_its_message_as_it_is_written(cohort, week, hand_in, tmp_path):
    hand_in("ann", q1="def total(values):\n    return 3")
    grade(cohort, week)
    return_week(cohort, week)
    page = fetch_feedback(cohort, week, "ann", tmp_path).page.read_text()
    assert "Try a longer list; yours adds up to …" in page


KEEPER = """kept = []
def total(values):
    kept.append(list(values))
    return sum(values)"""
TELLER = """def largest(values):
    return {how}"""


@pytest.mark.parametrize(
    "how",
    [
        "str(kept)",
        "(_ for _ in ()).throw(ValueError(str(kept)))",
        "(_ for _ in ()).throw(type('E' + '_'.join(map(str, kept[-1])), (ValueError,), {})())",
        "print(kept) or max(values)",
    ],
)
def test_what_a_hidden_test_passed_in_cannot_be_carried_out_of_it(cohort, week, hand_in, tmp_path, how):
    notebook = hand_in("ann", q1=KEEPER, q2=TELLER.format(how=how) + "\nkept").notebook
    grade(cohort, week)
    return_week(cohort, week, partial=True)
    page = fetch_feedback(cohort, week, "ann", tmp_path).page.read_text()
    for secret in ("10, 20, 30, 40", "10_20_30_40"):
        assert secret not in page
    assert notebook


def test_a_message_into_which_a_hidden_test_was_put_is_left_out(cohort, week, hand_in, tmp_path):
    # The test tells what the function returned; here that is the test's own text.
    hand_in("ann", q1="def total(values):\n    return 3 if len(values) == 2 else In[-1]")
    grade(cohort, week, executor="nbgrader")
    return_week(cohort, week)
    page = fetch_feedback(cohort, week, "ann", tmp_path).page.read_text()
    assert "(the message showed the text of a hidden test)" in page
    assert "secret_case" not in page


def test_a_page_runs_no_script_and_fetches_nothing(cohort, week, hand_in, tmp_path):
    script = "from IPython.display import HTML, display\ndisplay(HTML('<script>alert(1)</script>'))"
    hand_in("ann", q1=script)
    grade(cohort, week)
    return_week(cohort, week)
    page = fetch_feedback(cohort, week, "ann", tmp_path).page.read_text()
    assert "alert(1)" in page
    assert "default-src 'none'" in page
    assert "<script" not in page


def test_only_what_is_marked_in_full_is_given_back(cohort, week, hand_in, marked_by_hand, tiny):
    hand_in("ann", **tiny.RIGHT)
    hand_in("bo", **tiny.RIGHT)
    hand_in("cy")
    grade(cohort, week)
    marked_by_hand("bo")
    done = return_week(cohort, week)
    assert [one.learner for one in done.returned] == ["bo", "cy"]
    assert done.waiting == ("ann",)
    assert {one.learner.id: one.state for one in gradebook(cohort)} == {
        "ann": "needs marking", "bo": "returned", "cy": "returned", "di": "not submitted",
    }  # fmt: skip

    partly = return_week(cohort, week, learner="ann", partial=True)
    assert [(one.learner, one.complete) for one in partly.returned] == [("ann", False)]


def test_a_learner_sees_the_gradebooks_marks_once_they_are_given_back(
    cohort, week, hand_in, marked_by_hand, tmp_path, tiny
):
    hand_in("ann", now=tiny.DUE + timedelta(hours=1), **tiny.RIGHT)
    grade(cohort, week)
    marked_by_hand("ann", 1.5)
    [before] = progress(cohort, "ann").weeks
    assert (before.state, before.marks) == ("submitted", None)

    return_week(cohort, week)
    got = fetch_feedback(cohort, week, "ann", tmp_path)
    assert (got.marks.score, got.marks.late_penalty, got.marks.mark) == (9.5, 1, 8.5)
    assert [(one.name, one.score, one.max_score) for one in got.marks.questions] == [
        ("q1_test", 4, 4), ("q2_visible", 2, 2), ("q2_hidden", 2, 2), ("q3", 1.5, 2),
    ]  # fmt: skip
    assert got.marks.questions[-1].comment == "Say who acts."
    assert "Say who acts." in got.page.read_text()
    [after] = progress(cohort, "ann").weeks
    assert (after.state, after.late, after.marks) == ("returned", True, got.marks)
    [ann, *_] = gradebook(cohort)
    assert (ann.score, ann.mark) == (got.marks.score, got.marks.mark)


def test_nobody_gets_anybody_elses_feedback(cohort, week, hand_in, tmp_path):
    hand_in("ann", q1="def total(values):\n    return 'mine alone'")
    hand_in("bo", q1="def total(values):\n    return 'the other one'")
    grade(cohort, week)
    return_week(cohort, week)
    got = fetch_feedback(cohort, week, "bo", tmp_path / "bo")
    pages = [path.read_text() for path in (tmp_path / "bo").rglob("*.html")]
    assert got.marks.learner == "bo"
    assert len(pages) == 1
    assert "mine alone" not in pages[0]
    for path in (cohort.exchange / "feedback").iterdir():
        assert re.fullmatch(r"[0-9a-f]{32}\.(html|json)", path.name)
    assert stat.S_IMODE((cohort.exchange / "feedback").stat().st_mode) & 0o044 == 0
    assert stat.S_IMODE((cohort.exchange.parent / "cache" / "ann").stat().st_mode) == 0o700


def test_what_could_not_be_graded_says_why_in_its_feedback(cohort, week, hand_in, tmp_path):
    from civicml.cohort.exchange import handed_in

    hand_in("ann")
    [(_, place)] = handed_in(cohort, "week01")["ann"]
    (place / "lab.ipynb").chmod(0o600)
    (place / "lab.ipynb").write_text("{")
    grade(cohort, week)
    done = return_week(cohort, week)
    assert "The notebook is damaged" in done.returned[0].problem
    got = fetch_feedback(cohort, week, "ann", tmp_path)
    assert "This submission could not be graded." in got.page.read_text()
    assert got.marks.mark == 0


def test_newer_work_is_not_returned_before_it_is_graded(cohort, week, hand_in, tiny):
    hand_in("ann", q1="def total(values):\n    return 3")
    grade(cohort, week)
    return_week(cohort, week)
    hand_in("ann", now=tiny.IN_TIME + timedelta(hours=1), q1="def total(values):\n    return 4")
    assert return_week(cohort, week).not_graded == ("ann",)
    [ann] = progress(cohort, "ann").weeks
    assert ann.state == "submitted"
    assert ann.marks is not None  # those of the work before


def test_work_that_came_by_hand_is_left_where_the_instructor_finds_it(cohort, week, work):
    import shutil

    place = cohort.root / "submitted" / "ann" / "week01"
    place.mkdir(parents=True)
    shutil.copy(work("ann", q1="def total(values):\n    return 3"), place)
    grade(cohort, week)
    [(learner, page)] = return_week(cohort, week).by_hand
    assert learner == "ann"
    assert "Try a longer list" in page.read_text()


def test_before_anything_came_back_one_sentence_says_so(cohort, week, hand_in, tmp_path):
    with pytest.raises(CivicmlError, match="has not handed in week01"):
        fetch_feedback(cohort, week, "ann", tmp_path)
    hand_in("ann")
    with pytest.raises(CivicmlError, match="Nothing has been given back"):
        fetch_feedback(cohort, week, "ann", tmp_path)
    with pytest.raises(CivicmlError, match="not enrolled"):
        fetch_feedback(cohort, week, "zed", tmp_path)
    with pytest.raises(CivicmlError, match="not enrolled"):
        return_week(cohort, week, learner="zed")


def test_giving_back_again_gives_back_the_marks_of_now(cohort, week, hand_in, marked_by_hand, tmp_path, tiny):
    add_learners(cohort, [Learner("eve")])
    hand_in("eve", **tiny.RIGHT)
    grade(cohort, week)
    marked_by_hand("eve", 1)
    return_week(cohort, week)
    marked_by_hand("eve", 2, "On reflection.")
    return_week(cohort, week)
    got = fetch_feedback(cohort, week, "eve", tmp_path)
    assert got.marks.mark == 10
    assert "On reflection." in got.page.read_text()
