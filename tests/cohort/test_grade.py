"""Grading a week: every kind of submission in one batch, and grading again."""

import json
import os
import shutil
from datetime import timedelta

import pytest

from civicml.assignment import read_notebook
from civicml.cohort import (
    Learner,
    add_learners,
    extend,
    fetch,
    grade,
    gradebook,
    open_cohort,
    release,
    submit,
)
from civicml.cohort.exchange import handed_in
from civicml.errors import CivicmlError

TELLING = """import json, os
print(json.dumps({'here': os.listdir(), **os.environ}))

def total(values):
    return sum(values)"""
WARNING = "import sys\n\ndef total(values):\n    print('deprecated', file=sys.stderr)\n    return sum(values)"


@pytest.fixture(scope="module", params=["engine", "nbgrader"])
def batch(request, _template, tiny, tmp_path_factory):
    """A cohort in which one of each kind handed in, graded once by either executor; and what grading said."""
    world = tmp_path_factory.mktemp("batch")
    shutil.copytree(_template, world, dirs_exist_ok=True)
    cohort = open_cohort(world / "cohort")
    week = cohort.course.week("week01")
    add_learners(cohort, [Learner(one) for one in ("eve", "fay", "gil", "hal", "ivy", "jo")])

    def hand_in(learner, now=tiny.IN_TIME, how=None, **answers):
        notebook = fetch(cohort, week, world / "desks" / learner).notebook
        tiny.change(notebook, lambda nb: (tiny.fill(nb, answers), how and how(nb)))
        submit(cohort, week, learner, notebook, now=now)

    def inbound(learner):
        place = cohort.exchange / "inbound" / f"{learner}+week01+2026-01-20 12:00:00.000000 UTC+Zm9v"
        place.mkdir()
        (place / "timestamp.txt").write_text("2026-01-20 12:00:00.000000 UTC")
        return place

    hand_in("ann", **tiny.RIGHT)
    hand_in(
        "bo", now=tiny.DUE + timedelta(hours=1), q1="def total(values):\n    return 3", q2=tiny.RIGHT["q2"]
    )
    hand_in("cy")
    (inbound("di") / "lab.ipynb").write_text('{"cells": [')
    extend(cohort, week, "eve", tiny.DUE + timedelta(days=3))
    hand_in("eve", now=tiny.DUE + timedelta(days=2), q1=TELLING, q2=tiny.RIGHT["q2"])
    hand_in("fay", q1=tiny.RIGHT["q1"], q2="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    hand_in("gil", how=_lose_and_double, q1=tiny.RIGHT["q1"], q2=tiny.RIGHT["q2"])
    inbound("hal")
    hand_in("ivy", q1=WARNING, q2=tiny.RIGHT["q2"])
    (inbound("zed") / "lab.ipynb").write_text("{}")
    (cohort.exchange / "inbound" / "odd+week01+yesterday").mkdir()
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "sqlite:////nowhere/mlflow.db")
        graded = grade(cohort, week, executor=request.param, report=lambda *step: told.append(step))
    return cohort, week, graded, told


def _lose_and_double(notebook) -> None:
    """Delete a graded cell, copy another, change points and the text of a locked cell."""
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    cells["q1_test"].source = "pass"
    cells["q2_visible"].metadata["nbgrader"]["points"] = 200
    notebook.cells.append(type(cells["q1"])(json.loads(json.dumps(cells["q2_visible"])) | {"id": "copied"}))
    notebook.cells.remove(cells["q2_hidden"])


def graded_names(graded) -> list[str]:
    return [one.learner for one in graded.graded]


def of(batch, learner):
    return next(one for one in batch[2].graded if one.learner == learner)


def test_everybody_who_handed_in_is_graded_and_the_rest_is_told(batch):
    _, _, graded, told = batch
    assert [one.learner for one in graded.graded] == [
        "ann",
        "bo",
        "cy",
        "di",
        "eve",
        "fay",
        "gil",
        "hal",
        "ivy",
    ]
    assert graded.missing == ("jo",)
    assert all(one.new for one in graded.graded)
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert {who for *_, who in told} >= set(graded_names(graded))
    assert told[-1] == (9, 9, "")


def test_a_right_answer_earns_its_points_and_the_prose_waits_for_a_person(batch):
    ann = of(batch, "ann")
    assert (ann.score, ann.max_score, ann.late_penalty, ann.needs_marking) == (8, 10, 0, True)
    assert (ann.problem, ann.blank, ann.notes) == ("", False, ())


def test_an_answer_that_passes_only_the_visible_test_loses_the_hidden_one(batch):
    assert of(batch, "bo").score == 4


def test_late_work_is_charged_by_the_courses_policy(batch):
    bo = of(batch, "bo")
    assert (bo.late_penalty, bo.mark) == (1, 3)


def test_an_extension_is_honoured(batch):
    assert of(batch, "eve").late_penalty == 0
    cohort = batch[0]
    with cohort.logged(), cohort.gradebook() as book:
        assert book.find_submission("week01", "eve").extension == timedelta(days=3)
        assert book.find_submission("week01", "eve").total_seconds_late == 0


def test_a_blank_submission_earns_nothing_and_is_flagged(batch):
    cy = of(batch, "cy")
    assert (cy.score, cy.blank, cy.needs_marking) == (0, True, False)


def test_a_damaged_notebook_is_recorded_with_the_reason(batch):
    di = of(batch, "di")
    assert (di.score, di.needs_marking) == (0, False)
    assert di.problem == "The notebook is damaged: it is not JSON."


def test_a_submission_without_the_notebook_is_recorded_with_the_reason(batch):
    assert of(batch, "hal").problem == "There is no lab.ipynb in the submission."


def test_what_could_not_be_graded_is_in_formgrader_with_the_reason(batch):
    cohort, week, *_ = batch
    stand_in = read_notebook(cohort.notebook("autograded", week, "di"))
    assert "could not be graded" in stand_in.cells[0].source
    assert "secret_case" not in json.dumps(stand_in)


def test_a_stranger_is_set_aside_and_not_lost(batch):
    cohort, _, graded, _ = batch
    assert graded.strangers == ("zed",)
    assert "zed" in handed_in(cohort, "week01")
    assert not (cohort.root / "submitted" / "zed").exists()
    with cohort.logged(), cohort.gradebook() as book:
        assert "zed" not in {one.id for one in book.students}


def test_a_cell_that_ends_the_kernel_costs_its_own_points_only(batch):
    fay = of(batch, "fay")
    assert (fay.score, fay.problem) == (4, "")


def test_lost_doubled_and_changed_cells_are_restored_and_told(batch):
    gil = of(batch, "gil")
    assert (gil.score, gil.max_score) == (8, 10)
    said = " ".join(gil.notes)
    for part in ("'q2_hidden' was missing", "'q2_visible' is there more than once", "locked cell 'q1_test'"):
        assert part in said


def test_a_warning_on_stderr_costs_nothing(batch):
    assert of(batch, "ivy").score == 8


def test_code_runs_in_a_place_and_an_environment_of_its_own(batch):
    cohort, week, *_ = batch
    notebook = read_notebook(cohort.notebook("autograded", week, "eve"))
    seen = json.loads(next(cell for cell in notebook.cells if "listdir" in cell.source).outputs[0].text)
    assert seen["here"] == []
    assert seen["CIVICML_LEARNER"] == "eve"
    if batch[2].no_sandbox:
        assert seen["CIVICML_COHORT"] == str(cohort.root)
        assert seen["CIVICML_COURSE"] == str(cohort.course.root)
        assert seen["MLFLOW_TRACKING_URI"].startswith("sqlite:///")
    else:
        assert str(cohort.root.parent) not in json.dumps(seen)
    assert (seen["HF_HUB_OFFLINE"], seen["MLFLOW_DISABLE_TELEMETRY"], seen["OMP_NUM_THREADS"]) == (
        "1",
        "true",
        "1",
    )
    assert str(cohort.root) not in seen.get("MLFLOW_TRACKING_URI", "")
    assert "nowhere" not in seen.get("MLFLOW_TRACKING_URI", "")


def test_only_the_engine_calls_itself_sandboxed(batch, request):
    no_sandbox = batch[2].no_sandbox
    if "nbgrader" in request.node.name:
        assert no_sandbox.startswith("This is no sandbox: nbgrader's own executor is used")
    else:
        assert no_sandbox == ""


def test_the_graders_own_environment_is_as_before(batch):
    assert "CIVICML_LEARNER" not in os.environ
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_nbgraders_log_goes_to_the_cohort_and_not_to_the_screen(cohort, week, hand_in, tiny, capfd):
    hand_in("ann", **tiny.RIGHT)
    grade(cohort, week, executor="nbgrader")
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""
    assert "Autograding" in (cohort.root / "logs" / "nbgrader.log").read_text()


# --- again ----------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_graded_again_unless_forced(cohort, week, hand_in, tiny):
    hand_in("ann", **tiny.RIGHT)
    first = grade(cohort, week)
    again = grade(cohort, week)
    assert [one.new for one in first.graded] == [True]
    assert [one.new for one in again.graded] == [False]
    assert again.graded[0].score == first.graded[0].score
    assert [one.new for one in grade(cohort, week, force=True).graded] == [True]


def test_the_latest_submission_counts_and_a_persons_marks_wait_for_another_look(cohort, week, hand_in, tiny):
    hand_in("ann", **tiny.RIGHT)
    grade(cohort, week)
    with cohort.logged(), cohort.gradebook() as book:
        prose = book.find_grade("q3", "lab", "week01", "ann")
        prose.manual_score, prose.needs_manual_grade = 2, False
        book.db.commit()
    hand_in("ann", now=tiny.IN_TIME + timedelta(hours=1), q1="def total(values):\n    return None")
    [ann] = grade(cohort, week).graded
    assert (ann.new, ann.score, ann.needs_marking) == (True, 6, True)
    assert len(handed_in(cohort, "week01")["ann"]) == 2


def test_a_corrected_test_grades_everybody_again_but_a_corrected_text_nobody(cohort, week, hand_in, tiny):
    hand_in("ann", **{**tiny.RIGHT, "q1": "def total(values):\n    return sum(values[:4])"})
    grade(cohort, week)
    cells = tiny.lab_cells()
    cells[2].source += " Take your time."
    tiny.write_lab(cohort.course.root, cells)
    release(cohort, week)
    assert [one.new for one in grade(cohort, week).graded] == [False]
    cells[4].source = cells[4].source.replace("30, 40]", "30, 39, 1]")
    tiny.write_lab(cohort.course.root, cells)
    release(cohort, week)
    [ann] = grade(cohort, week).graded
    assert (ann.new, ann.score) == (True, 4)


def test_a_test_that_the_labs_own_solution_fails_stops_grading_and_marks_nobody(cohort, week, hand_in, tiny):
    hand_in("ann", **tiny.RIGHT)
    cells = tiny.lab_cells()
    cells[4].source = cells[4].source.replace("== 100", "== 101")
    tiny.write_lab(cohort.course.root, cells)
    release(cohort, week)
    with pytest.raises(CivicmlError, match="own solution does not pass its test 'q1_test'") as error:
        grade(cohort, week)
    assert "\n" not in str(error.value)
    assert gradebook(cohort)[0].state == "submitted"


def test_a_blank_submission_earns_nothing_even_where_a_test_passes_by_itself(cohort, week, hand_in, tiny):
    cells = tiny.lab_cells()
    cells[7].source = "assert True"
    tiny.write_lab(cohort.course.root, cells)
    release(cohort, week)
    hand_in("ann")
    [ann] = grade(cohort, week).graded
    assert (ann.score, ann.blank) == (0, True)


def test_one_learner_can_be_graded_alone(cohort, week, hand_in, tiny):
    for learner in ("ann", "bo"):
        hand_in(learner, **tiny.RIGHT)
    assert [one.learner for one in grade(cohort, week, learner="bo").graded] == ["bo"]
    assert {one.learner.id: one.state for one in gradebook(cohort)} == {
        "ann": "submitted", "bo": "needs marking", "cy": "not submitted", "di": "not submitted",
    }  # fmt: skip


def test_a_stranger_is_graded_once_enrolled(cohort, week, hand_in, tiny):
    add_learners(cohort, [Learner("zed")])
    hand_in("zed", **tiny.RIGHT)
    listed = (cohort.root / "learners.csv").read_text()
    (cohort.root / "learners.csv").write_text(listed.replace("zed,,,,\n", ""))
    assert grade(cohort, week).strangers == ("zed",)
    add_learners(cohort, [Learner("zed")])
    assert [one.learner for one in grade(cohort, week).graded] == ["zed"]


def test_an_extension_given_afterwards_takes_the_penalty_back(cohort, week, hand_in, tiny):
    hand_in("ann", now=tiny.DUE + timedelta(days=1, hours=1), **tiny.RIGHT)
    assert grade(cohort, week).graded[0].late_penalty == 2
    given = extend(cohort, week, "ann", (tiny.DUE + timedelta(days=1)).replace(tzinfo=None))
    assert given == tiny.DUE + timedelta(days=1)
    assert gradebook(cohort)[0].late_penalty == 1
    extend(cohort, week, "ann", tiny.DUE + timedelta(days=2))
    assert gradebook(cohort)[0].late_penalty == 0


def test_a_person_adding_marks_does_not_lower_the_penalty(cohort, week, hand_in, tiny):
    hand_in("ann", now=tiny.DUE + timedelta(days=4), q3=tiny.RIGHT["q3"])
    [ann] = grade(cohort, week).graded
    assert (ann.score, ann.late_penalty) == (0, 0)
    with cohort.logged(), cohort.gradebook() as book:
        prose = book.find_grade("q3", "lab", "week01", "ann")
        prose.manual_score, prose.needs_manual_grade = 2, False
        book.db.commit()
    [ann] = grade(cohort, week).graded
    assert (ann.score, ann.late_penalty, ann.mark) == (2, 2, 0)


@pytest.mark.parametrize("until", ["2026-01-20T12:00", "2026-01-21T17:00"])
def test_an_extension_cannot_shorten_the_time(cohort, week, until):
    from datetime import datetime

    with pytest.raises(CivicmlError, match="ends after everybody's deadline"):
        extend(cohort, week, "ann", datetime.fromisoformat(until))
    with pytest.raises(CivicmlError, match="not enrolled"):
        extend(cohort, week, "zed", datetime.fromisoformat("2027-01-01"))


def test_a_week_that_was_never_released_has_nothing_to_grade(cohort, week):
    shutil.rmtree(cohort.root / "source" / "week01")
    with pytest.raises(CivicmlError, match="nothing to grade"):
        grade(cohort, week)
    with pytest.raises(CivicmlError, match="not enrolled"):
        grade(cohort, week, learner="zed")


def test_a_link_in_the_exchange_is_not_followed(cohort, week, hand_in, tiny):
    hand_in("ann", **tiny.RIGHT)
    hand_in("bo")
    [(_, ann)], [(_, bo)] = (handed_in(cohort, "week01")[one] for one in ("ann", "bo"))
    (bo / "lab.ipynb").unlink()
    (bo / "lab.ipynb").symlink_to(ann / "lab.ipynb")
    graded = {one.learner: one for one in grade(cohort, week).graded}
    assert graded["bo"].problem == "There is no lab.ipynb in the submission."
    assert (graded["ann"].score, graded["bo"].score) == (8, 0)


def test_a_notebook_too_large_to_hand_in_is_not_graded_either(cohort, week, hand_in):
    hand_in("ann")
    [(_, place)] = handed_in(cohort, "week01")["ann"]
    (place / "lab.ipynb").chmod(0o600)
    with (place / "lab.ipynb").open("a") as file:
        file.write(" " * (20 << 20))
    [ann] = grade(cohort, week).graded
    assert (ann.score, ann.problem) == (0, "lab.ipynb has more than 20 MB. Clear its outputs.")


def test_work_that_an_instructor_put_in_by_hand_is_graded(cohort, week, work, tiny):
    place = cohort.root / "submitted" / "ann" / "week01"
    place.mkdir(parents=True)
    shutil.copy(work("ann", **tiny.RIGHT), place)
    [ann] = grade(cohort, week).graded
    assert (ann.score, ann.late_penalty) == (8, 0)
