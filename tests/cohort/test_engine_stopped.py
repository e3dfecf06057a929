"""The engine killed or stopped at any moment: the next run finishes, and no mark is lost or doubled."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from civicml.autograder.worker import Worker
from civicml.cohort import grade, gradebook
from civicml.errors import CivicmlError

LEARNERS = ("ann", "bo", "cy", "di")


def rows(root: Path) -> list:
    with closing(sqlite3.connect(root / "gradebook.db")) as book:
        return book.execute(
            "SELECT s.student_id, c.name, g.auto_score FROM grade g "
            "JOIN base_cell c ON g.cell_id = c.id JOIN submitted_notebook n ON g.notebook_id = n.id "
            "JOIN submitted_assignment s ON n.assignment_id = s.id ORDER BY 1, 2"
        ).fetchall()


def workers_of(pid: int) -> list[str]:
    """The directories of workers that the process `pid` started, by what they say in their locks."""
    found = []
    for lock in Path(tempfile.gettempdir()).glob("civicml-worker-*/.in-use"):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if link.readlink() == lock:
                    found.append(str(lock.parent))
            except OSError:
                continue
    return found


@pytest.fixture
def handed_in_by_all(hand_in, tiny):
    """Four hand in; each answer takes a little while, so that a kill meets some before, some after."""
    for learner in LEARNERS:
        hand_in(learner, **{**tiny.RIGHT, "q1": "import time\ntime.sleep(0.3)\n" + tiny.RIGHT["q1"]})


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    "moment", ["grading/week01/ann.json", "autograded/bo/week01/lab.ipynb", "grading/week01/cy.json"]
)
def test_killed_at_any_moment_the_next_run_finishes_and_doubles_nothing(
    cohort, week, handed_in_by_all, moment, jobs
):
    command = [sys.executable, "-m", "civicml", "grade", "week01", "--jobs", str(jobs)]
    left_over: list[str] = []
    with subprocess.Popen(
        [*command, "--cohort", cohort.root], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not (cohort.root / moment).exists():
            left_over = workers_of(process.pid) or left_over
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"
    assert left_over
    done = {path.stem for path in (cohort.root / "grading" / "week01").glob("*.json")}
    marks_before = [row for row in rows(cohort.root) if row[0] in done]

    finished = grade(cohort, week, jobs=jobs)

    assert [(one.learner, one.score) for one in finished.graded] == [(one, 8) for one in LEARNERS]
    assert {one.learner for one in finished.graded if not one.new} == done
    after = rows(cohort.root)
    assert len(after) == len({row[:2] for row in after}) == 4 * len(LEARNERS)
    assert [row for row in after if row[0] in done] == marks_before
    assert not [folder for folder in left_over if Path(folder).exists()]


def test_a_disk_that_fills_up_stops_it_with_a_sentence_and_keeps_what_is_done(
    cohort, week, handed_in_by_all, monkeypatch
):
    real = Path.write_text

    def full(self, *arguments, **named):
        if str(self).startswith(f"{cohort.root}/autograded/bo"):
            raise OSError(28, "No space left on device", str(self))
        return real(self, *arguments, **named)

    with monkeypatch.context() as patch, pytest.raises(CivicmlError, match="disk is full"):
        patch.setattr(Path, "write_text", full)
        grade(cohort, week)
    states = {one.learner.id: one.state for one in gradebook(cohort)}
    assert states["bo"] == "submitted"
    finished = grade(cohort, week)
    assert [one.score for one in finished.graded] == [8] * 4
    assert "ann" not in {one.learner for one in finished.graded if one.new}


def test_stopped_with_control_c_it_does_not_wait_for_what_is_running(
    cohort, week, hand_in, tiny, monkeypatch
):
    for learner in ("ann", "bo"):
        slow = "import time\ntime.sleep(50)\n" if learner == "bo" else ""
        hand_in(learner, **{**tiny.RIGHT, "q1": slow + tiny.RIGHT["q1"]})
    ended: list[int] = []
    close = Worker.close

    def noted(self):
        ended.append(self.number)
        close(self)

    def stop(done, all_, who):
        if who == "ann":
            raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "close", noted)
    with pytest.raises(KeyboardInterrupt):
        grade(cohort, week, report=stop)
    assert ended
    assert not any(Path(f"/proc/{pid}").exists() for pid in ended)
    assert gradebook(cohort)[0].state == "needs marking"
    assert gradebook(cohort)[1].state == "submitted"


def test_where_the_sandbox_cannot_be_made_it_is_never_called_one(cohort, week, hand_in, tiny, monkeypatch):
    from civicml.autograder import pool

    hand_in("ann", **tiny.RIGHT)
    wall = pool.sandbox.Protection("namespaces", True, False, "the kernel refuses them")
    pool.why_no_sandbox.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(pool.sandbox, "protections", lambda: [wall])
            done = grade(cohort, week)
            assert done.no_sandbox.startswith("This is no sandbox (namespaces: the kernel refuses them)")
            assert "Grade only work that you trust" in done.no_sandbox
            with (
                pytest.raises(CivicmlError, match="cannot make the sandbox"),
                pool.Pool(cohort.notebook("source", week), pool.Settings()),
            ):
                pass
    finally:
        pool.why_no_sandbox.cache_clear()
    assert [one.score for one in done.graded] == [8]
    shutil.rmtree(cohort.root / "autograded")
    assert grade(cohort, week).no_sandbox == ""
