"""The cohort is nbgrader's: its API, its command and Formgrader's data agree with ours."""

import csv
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from civicml.autograder.settings import logging_to
from civicml.cohort import extend, grade, gradebook, open_cohort, release, return_week, write_csv

NBGRADER = Path(sys.executable).with_name("nbgrader")


@pytest.fixture(scope="module")
def graded(_template, tiny, tmp_path_factory):
    """A cohort with marks of every kind: right, late, with an extension, blank, one question right."""
    from civicml.cohort import fetch, submit

    world = tmp_path_factory.mktemp("graded")
    shutil.copytree(_template, world, dirs_exist_ok=True)
    cohort = open_cohort(world / "cohort")
    week = cohort.course.week("week01")
    late = tiny.DUE + timedelta(hours=30)
    extend(cohort, week, "cy", tiny.DUE + timedelta(days=3))
    for learner, now, answers in (
        ("ann", tiny.IN_TIME, tiny.RIGHT),
        ("bo", late, tiny.RIGHT),
        ("cy", late, {"q1": "def total(values):\n    return 3", "q2": tiny.RIGHT["q2"]}),
        ("di", tiny.IN_TIME, {}),
    ):
        notebook = fetch(cohort, week, world / "desks" / learner).notebook
        tiny.change(notebook, lambda nb, answers=answers: tiny.fill(nb, answers))
        submit(cohort, week, learner, notebook, now=now)
    grade(cohort, week)
    return cohort


def marks_of(root: Path) -> dict:
    """All that the gradebook in `root` says of each submission."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        return {
            one.student.id: (
                one.score,
                one.late_submission_penalty,
                one.needs_manual_grade,
                {grade.name: grade.auto_score for notebook in one.notebooks for grade in notebook.grades},
            )
            for one in book.assignment_submissions("week01")
        }


def nbgrader(folder: Path, *arguments: str) -> str:
    """Run the plain command in `folder`, with nothing of ours in its environment but Python."""
    done = subprocess.run(
        [NBGRADER, *arguments],
        cwd=folder,
        env={**os.environ, "PATH": f"{NBGRADER.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_formgraders_own_data_is_the_gradebook_table(graded):
    from nbgrader.apps.api import NbGraderAPI

    with graded.logged():
        listed = {
            one["student"]: one for one in NbGraderAPI(config=graded.settings).get_submissions("week01")
        }
    ours = {one.learner.id: one for one in gradebook(graded)}
    assert set(listed) == {"ann", "bo", "cy", "di"}
    for learner, theirs in listed.items():
        assert theirs["autograded"]
        assert (theirs["score"], theirs["max_score"]) == (ours[learner].score, ours[learner].max_score)
        assert theirs["needs_manual_grade"] == (ours[learner].state == "needs marking")
        assert theirs["last_name"] == ours[learner].learner.last_name


def test_formgrader_finds_the_assignment_released_with_its_deadline(graded):
    from nbgrader.apps.api import NbGraderAPI

    with graded.logged():
        found = NbGraderAPI(config=graded.settings).get_assignment("week01")
    assert (found["status"], found["max_score"], found["num_submissions"]) == ("released", 10, 4)
    assert found["duedate"] == "2026-01-21T17:00:00"


def test_plain_nbgrader_in_the_cohorts_directory_gives_the_same_marks(graded, tmp_path):
    expected = marks_of(graded.root)
    again = tmp_path / "cohort"
    shutil.copytree(graded.root, again)
    shutil.copytree(graded.course.root, tmp_path / "course")
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{again / 'gradebook.db'}") as book:
        for learner in expected:
            book.remove_submission("week01", learner)
    shutil.rmtree(again / "autograded")
    said = nbgrader(again, "autograde", "week01")
    assert "not in session" not in said
    assert marks_of(again) == expected


def test_nbgrader_as_it_ships_grades_the_same_lab_with_the_same_marks(graded, tmp_path, monkeypatch):
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    plain = tmp_path / "plain"
    for step in ("source", "submitted"):
        shutil.copytree(graded.root / step, plain / step)
    # The tiny lab's hidden test looks for the cohort that grading names.
    monkeypatch.setenv("CIVICML_COHORT", str(graded.root))
    monkeypatch.setenv("PATH", f"{NBGRADER.parent}{os.pathsep}{os.environ['PATH']}")
    with logging_to(None):
        api = NbGraderAPI(config=Config({"CourseDirectory": {"root": str(plain), "course_id": "plain"}}))
        assert api.generate_assignment("week01")["success"]
        for learner in marks_of(graded.root):
            assert api.autograde("week01", learner)["success"]
    ours, theirs = marks_of(graded.root), marks_of(plain)
    assert {one: mark[3] for one, mark in theirs.items()} == {one: mark[3] for one, mark in ours.items()}


def test_formgraders_own_feedback_hides_hidden_tests_too(graded):
    from nbgrader.apps.api import NbGraderAPI

    with graded.logged():
        assert NbGraderAPI(config=graded.settings).generate_feedback("week01", "cy")["success"]
    page = (graded.root / "feedback" / "cy" / "week01" / "lab.html").read_text()
    assert "secret_case" not in page
    assert "Try a longer list" in page


def test_nbgraders_export_agrees_with_ours(graded, tmp_path):
    from nbgrader.plugins import CsvExportPlugin

    with graded.logged(), graded.gradebook() as book:
        CsvExportPlugin(to=str(tmp_path / "theirs.csv")).export(book)
    write_csv(gradebook(graded), tmp_path / "ours.csv")
    theirs, ours = (
        {row["student_id" if "student_id" in row else "learner"]: row for row in csv.DictReader(file.open())}
        for file in (tmp_path / "theirs.csv", tmp_path / "ours.csv")
    )
    assert set(theirs) == set(ours) == {"ann", "bo", "cy", "di"}
    for learner, row in theirs.items():
        assert float(row["score"]) == float(ours[learner]["mark"])
        assert float(row["late_submission_penalty"] or 0) == float(ours[learner]["late_penalty"])
        assert row["last_name"] == ours[learner]["last_name"]


def test_the_totals_of_the_table_are_the_gradebooks(graded):
    by_learner: dict[str, float] = {}
    for one in gradebook(graded):
        by_learner[one.learner.id] = by_learner.get(one.learner.id, 0) + (one.score or 0)
    with graded.logged(), graded.gradebook() as book:
        assert by_learner == {one["id"]: one["score"] for one in book.student_dicts()}


def test_the_csv_says_everything_an_office_needs(graded, tmp_path):
    return_week(graded, graded.course.week("week01"), learner="di")
    write_csv(gradebook(graded), tmp_path / "marks.csv")
    rows = {row["learner"]: row for row in csv.DictReader((tmp_path / "marks.csv").open())}
    assert rows["bo"] == {
        "learner": "bo", "first_name": "Bo", "last_name": "Baker", "email": "", "week": "week01",
        "state": "needs marking", "deadline": "2026-01-21T17:00:00+00:00",
        "submitted": "2026-01-22T23:00:00+00:00", "attempts": "1", "seconds_late": "108000",
        "score": "8.0", "late_penalty": "2.0", "mark": "6.0", "max_score": "10.0", "problem": "",
    }  # fmt: skip
    assert rows["cy"]["seconds_late"] == "0"
    assert (rows["di"]["state"], rows["di"]["problem"]) == ("returned", "Nothing was answered.")


def test_releasing_again_after_plain_nbgrader_keeps_the_marks(graded):
    before = marks_of(graded.root)
    release(graded, graded.course.week("week01"))
    assert marks_of(graded.root) == before
