"""The demonstration: the same result when it is run twice, or stopped and run again."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from civicml import tracking
from civicml.cohort import gradebook, init, open_cohort
from civicml.demo import PLAYERS, play
from civicml.errors import CivicmlError

BANK = {
    "q1/right_sum.py": "# why: built in\ndef total(values):\n    return sum(values)\n",
    "q1/wrong_three.py": "# why: one case\n# loses: q1_test = 4\ndef total(values):\n    return 3\n",
    "q2/right_max.py": "# why: built in\ndef largest(values):\n    return max(values)\n",
    "q2/wrong_last.py": "# why: end\n# loses: q2_hidden = 2\ndef largest(values):\n    return values[-1]\n",
    "q3/right_memo.md": "<!-- why: who acts -->\nThe manager acts.\n",
}
TRACKED = "from civicml import tracking\nwith tracking.start('week01', run_name='sum') as run:\n    pass"


@pytest.fixture
def course_with_bank(tiny, course) -> Path:
    """The tiny course, with answers to draw from and one tracked run in the lab."""
    from nbformat.v4 import new_code_cell

    cells = tiny.lab_cells()
    cells.insert(2, new_code_cell(TRACKED))
    tiny.write_lab(course, cells)
    for name, text in BANK.items():
        file = course / "autograder" / "answers" / "week01" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return course


def result(place: Path, monkeypatch) -> tuple[list, list]:
    cohort = open_cohort(place)
    marks = [(s.learner.id, s.state, s.score, s.problem) for s in gradebook(cohort)]
    monkeypatch.setenv("CIVICML_COHORT", str(place))
    runs = tracking.runs(week="week01")
    return marks, sorted(zip(runs["learner"], runs["run_name"], runs["status"], strict=True))


def show(place: Path) -> str:
    screen = io.StringIO()
    play(place, Console(file=screen, width=140))
    return screen.getvalue()


def test_it_plays_a_week_and_gives_the_same_when_run_again_or_after_being_killed(
    course_with_bank, tmp_path, monkeypatch
):
    shown = show(tmp_path / "first")
    first = result(tmp_path / "first", monkeypatch)
    marks = {learner: score for learner, _, score, _ in first[0]}
    assert set(marks) == {player.learner.id for player in PLAYERS}
    assert marks["amara"] == marks["bryn"] == 8, (
        "two learners answer all of it rightly; the prose waits for a person"
    )
    assert marks["greta"] == 0, "a blank earns nothing"
    assert marks["hyun"] < 8, "a cell that ends the kernel earns nothing"
    assert [status for _, _, status in first[1]] == ["FINISHED"] * 8
    assert "Amara Okafor" in shown and "What to open next" in shown

    again = show(tmp_path / "first")
    assert result(tmp_path / "first", monkeypatch) == first
    assert again.count("Amara Okafor") == shown.count("Amara Okafor")

    # Killed as soon as somebody's work has been run: some are done, some half way, some not begun.
    environment = {**os.environ, "CIVICML_COURSE": str(course_with_bank)}
    environment.pop("CIVICML_COHORT", None)
    place = tmp_path / "second"
    with subprocess.Popen(
        [sys.executable, "-m", "civicml", "demo", "--cohort", str(place)],
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while process.poll() is None and not list(place.glob("desks/*/week01/.ran")):
            pass
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was over before it could be stopped"
    show(place)
    assert result(place, monkeypatch) == first


def test_a_cohort_that_is_not_the_demonstrations_is_left_alone(course_with_bank, tmp_path):
    init(tmp_path / "mine", name="My cohort")
    with pytest.raises(CivicmlError, match=r"is not the demonstration's and is left alone"):
        show(tmp_path / "mine")
