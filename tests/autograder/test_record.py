"""What a sandboxed worker finds reaches nbgrader's gradebook, once and whole."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from civicml.autograder.grade import grade_submission
from civicml.autograder.pool import Grader
from civicml.autograder.record import recording
from civicml.cohort import Cohort, Learner, init, open_cohort, release

from .conftest import ATTACKS, Submit

REPOSITORY = Path(__file__).parents[2]
COURSE = """
title = "A course"
organisation = "test"
timezone = "Europe/London"
[late]
grace_minutes = 15
percent_per_day = 10.0
at_most_percent = 50.0
[[weeks]]
number = 1
folder = "week01_attacked"
title = "Attacked"
question = "Does it hold?"
outcomes = ["Hold"]
datasets = []
hours = 1.0
points = 55
release = { day = 0, time = 09:00:00 }
due = { day = 9, time = 17:00:00 }
written = true
"""
IN_TIME = datetime(2026, 1, 20, 12, tzinfo=UTC)


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: Any) -> Cohort:
    root = tmp_path / "course"
    for folder in ("course", "modules/week01_attacked", "autograder"):
        (root / folder).mkdir(parents=True)
    (root / "course" / "course.toml").write_text(COURSE)
    (root / "modules/week01_attacked/lab.ipynb").write_text((ATTACKS / "lab.ipynb").read_text())
    config = (REPOSITORY / "autograder" / "nbgrader_config.py").read_text()
    (root / "autograder" / "nbgrader_config.py").write_text(config)
    monkeypatch.setenv("CIVICML_COURSE", str(root))
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    learners = [Learner(name, name.title(), "Learner") for name in ("ann", "bo")]
    made = init(tmp_path / "cohort", name="Winter", start=date(2026, 1, 12), learners=learners)
    release(made, made.course.week("week01"))
    return open_cohort(tmp_path / "cohort")


def hand_in(cohort: Cohort, learner: str, notebook: dict[str, Any], now: datetime = IN_TIME) -> None:
    """What collecting leaves in nbgrader's tree."""
    folder = cohort.root / "submitted" / learner / "week01"
    folder.mkdir(parents=True)
    (folder / "lab.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "timestamp.txt").write_text(now.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))


def marks(cohort: Cohort, learner: str) -> dict[str, tuple[float | None, bool]]:
    with cohort.gradebook() as gradebook:
        notebook = gradebook.find_submission_notebook("lab", "week01", learner)
        return {grade.name: (grade.auto_score, grade.needs_manual_grade) for grade in notebook.grades}


def test_marks_and_notebook_are_recorded(cohort: Cohort, grader: Grader, submission: Submit) -> None:
    hand_in(cohort, "ann", submission(q2="longest, share = 1, 0", memo="I found it."))

    outcome = grade_submission(cohort.settings, "week01", "ann", {"CIVICML_LEARNER": "ann"}, engine=grader)

    assert not outcome.problem
    assert marks(cohort, "ann") == {
        "q1_test": (10.0, False),
        "q2_test": (0.0, False),
        "q3_test": (10.0, False),
        "q4_test": (10.0, False),
        "q5_test": (10.0, False),
        "memo": (None, True),
    }
    executed = json.loads((cohort.root / "autograded" / "ann" / "week01" / "lab.ipynb").read_text())
    assert any(cell.get("outputs") for cell in executed["cells"])


def test_recording_twice_changes_nothing(cohort: Cohort, grader: Grader, submission: Submit) -> None:
    hand_in(cohort, "ann", submission(memo="I found it."))
    result = grader.grade(cohort.root / "submitted" / "ann" / "week01" / "lab.ipynb")

    with recording(cohort.settings, "week01") as recorder:
        recorder.record("ann", result)
        once = marks(cohort, "ann")
        recorder.record("ann", result)

    assert marks(cohort, "ann") == once


def test_late_work_is_charged(cohort: Cohort, grader: Grader, submission: Submit) -> None:
    late = datetime(2026, 1, 22, 18, tzinfo=UTC)
    hand_in(cohort, "bo", submission(), late)

    grade_submission(cohort.settings, "week01", "bo", {}, engine=grader)

    with cohort.gradebook() as gradebook:
        assert gradebook.find_submission("week01", "bo").late_submission_penalty > 0


def test_a_damaged_notebook_earns_nothing_and_says_why(
    cohort: Cohort, grader: Grader, submission: Submit
) -> None:
    hand_in(cohort, "ann", submission())
    (cohort.root / "submitted" / "ann" / "week01" / "lab.ipynb").write_text("{")

    outcome = grade_submission(cohort.settings, "week01", "ann", {}, engine=grader)

    assert "not JSON" in outcome.problem
    assert {score for score, _ in marks(cohort, "ann").values()} == {0.0}
