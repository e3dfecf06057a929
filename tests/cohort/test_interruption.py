"""Grading that is killed, locked out or short of disk: marks are kept, and the next run finishes."""

import gc
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock
from nbgrader.preprocessors import SaveAutoGrades
from sqlalchemy.exc import OperationalError

from civicml.cohort import grade, gradebook, return_week
from civicml.errors import CivicmlError

CIVICML = [sys.executable, "-m", "civicml"]
STOP = """import os, signal, time
if os.path.exists({flag!r}):
    os.kill({whom}, signal.{how})
    time.sleep(5)
"""
LOCK = """import sqlite3, time
held = sqlite3.connect({book!r}, isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(60)
"""
START = """import subprocess, sys
other = subprocess.Popen([sys.executable, {holder!r}], stdout=subprocess.PIPE, start_new_session=True)
other.stdout.readline()
open({pid!r}, "w").write(str(other.pid))
"""


def everything_in(root: Path) -> dict:
    """The marks as rows, and how many there are of each."""
    with closing(sqlite3.connect(root / "gradebook.db")) as book:
        rows = book.execute(
            "SELECT s.student_id, c.name, g.auto_score, g.manual_score, g.needs_manual_grade FROM grade g "
            "JOIN base_cell c ON g.cell_id = c.id JOIN submitted_notebook n ON g.notebook_id = n.id "
            "JOIN submitted_assignment s ON n.assignment_id = s.id ORDER BY 1, 2"
        ).fetchall()
    return {"rows": rows, "doubled": len(rows) - len({row[:2] for row in rows})}


@pytest.fixture
def stoppable(cohort, hand_in, tmp_path, tiny):
    """Three hand in; the second one's notebook stops whoever grades it, as long as a flag is there."""

    def prepare(how: str, whom: str = "os.getppid()") -> Path:
        flag = tmp_path / "stop"
        flag.touch()
        stop = STOP.format(flag=str(flag), how=how, whom=whom)
        for learner in ("ann", "bo", "cy"):
            hand_in(learner, **{**tiny.RIGHT, "q2": (stop if learner == "bo" else "") + tiny.RIGHT["q2"]})
        return flag

    return prepare


def assert_it_goes_on(cohort, week, flag: Path) -> None:
    """Only the first one has marks; running again grades the others, and doubles nothing."""
    assert_first_only(cohort)
    flag.unlink()
    finished = grade(cohort, week, executor="nbgrader")
    assert [(one.learner, one.new, one.score) for one in finished.graded] == [
        ("ann", False, 8), ("bo", True, 8), ("cy", True, 8),
    ]  # fmt: skip
    assert_complete(cohort)


def assert_first_only(cohort) -> None:
    assert {one.learner.id: one.state for one in gradebook(cohort)} == {
        "ann": "needs marking", "bo": "submitted", "cy": "submitted", "di": "not submitted",
    }  # fmt: skip


def assert_complete(cohort) -> None:
    """Three submissions with four graded cells each, every one once."""
    found = everything_in(cohort.root)
    assert found["doubled"] == 0
    assert len(found["rows"]) == 12


def test_killed_in_the_middle_and_run_again_the_marks_are_the_same_and_none_is_doubled(
    cohort, week, stoppable
):
    flag = stoppable("SIGKILL")
    command = [*CIVICML, "grade", "week01", "--executor", "nbgrader", "--jobs", "1", "--cohort", cohort.root]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert_it_goes_on(cohort, week, flag)
    flag.touch()
    assert subprocess.run([*command, "--force"], check=False).returncode == -signal.SIGKILL
    flag.unlink()
    assert [(one.learner, one.new, one.score) for one in grade(cohort, week).graded] == [
        ("ann", False, 8), ("bo", True, 8), ("cy", False, 8),
    ]  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the command by /proc")
@pytest.mark.parametrize("who", ["a grading process", "the command"])
def test_side_by_side_too_a_kill_loses_and_doubles_nothing(cohort, week, stoppable, who):
    parents_parent = "int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])"
    flag = stoppable("SIGKILL", "os.getppid()" if who == "a grading process" else parents_parent)
    command = [*CIVICML, "grade", "week01", "--executor", "nbgrader", "--jobs", "2", "--cohort", cohort.root]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    if who == "a grading process":
        assert killed.returncode == 1
        assert killed.stderr.splitlines()[-1].startswith("civicml: A grading process died;")
        assert "Traceback" not in killed.stderr
    else:
        assert killed.returncode == -signal.SIGKILL
    flag.unlink()
    assert [one.score for one in grade(cohort, week, jobs=2).graded] == [8, 8, 8]
    assert_complete(cohort)


@pytest.fixture
def interruptible():
    """Started in the background, as by a build server, Python would not hear Ctrl-C at all."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_stopped_with_control_c_it_goes_on_the_next_time(cohort, week, stoppable, caplog, interruptible):
    flag = stoppable("SIGINT")
    with pytest.raises(KeyboardInterrupt):
        grade(cohort, week, executor="nbgrader")
    assert_it_goes_on(cohort, week, flag)
    gc.collect()
    assert not [one for one in caplog.records if one.name == "asyncio"]


def test_a_gradebook_that_is_locked_is_one_sentence_and_keeps_its_marks(cohort, week, hand_in, tiny):
    hand_in("ann", **tiny.RIGHT)
    grade(cohort, week)
    hand_in("bo", **tiny.RIGHT)
    before = everything_in(cohort.root)
    with closing(sqlite3.connect(cohort.root / "gradebook.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CivicmlError, match="in use by another program") as error:
            grade(cohort, week)
        other.execute("ROLLBACK")
    assert "\n" not in str(error.value)
    assert everything_in(cohort.root) == before
    assert [one.new for one in grade(cohort, week).graded] == [False, True]


def test_a_gradebook_that_gets_locked_during_a_run_stops_it_and_blames_nobody(
    cohort, week, hand_in, tmp_path, tiny
):
    hand_in("ann", **tiny.RIGHT)
    holder = tmp_path / "hold.py"
    holder.write_text(LOCK.format(book=str(cohort.root / "gradebook.db")))
    start = START.format(holder=str(holder), pid=str(tmp_path / "pid"))
    hand_in("bo", **{**tiny.RIGHT, "q1": start + tiny.RIGHT["q1"]})
    try:
        with pytest.raises(CivicmlError, match="in use by another program"):
            grade(cohort, week, executor="nbgrader")
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    states = {one.learner.id: (one.state, one.problem) for one in gradebook(cohort)}
    assert states["ann"] == ("needs marking", "")
    assert states["bo"] == ("submitted", "")


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked")), "in use by another"),
        (OSError(28, "No space left on device", "lab.ipynb"), "disk is full"),
    ],
)
def test_a_moments_trouble_of_the_machine_costs_no_learner_anything(
    cohort, week, hand_in, tiny, monkeypatch, trouble, said
):
    def fail(*_):
        raise trouble

    hand_in("ann", **tiny.RIGHT)
    with monkeypatch.context() as patch, pytest.raises(CivicmlError, match=said):
        patch.setattr(SaveAutoGrades, "preprocess", fail)
        grade(cohort, week, executor="nbgrader")
    assert gradebook(cohort)[0].state == "submitted"
    [ann] = grade(cohort, week).graded
    assert (ann.score, ann.problem) == (8, "")


def test_a_broken_gradebook_is_one_sentence(cohort, week, hand_in):
    hand_in("ann")
    (cohort.root / "gradebook.db").write_text("not a database, and long enough to look like one" * 100)
    with pytest.raises(
        CivicmlError, match=r"gradebook '.*gradebook\.db' cannot be used: file is not a database"
    ):
        grade(cohort, week)


@pytest.mark.parametrize("where", ["grading", "autograded", "submitted"])
def test_a_disk_that_is_full_stops_the_run_and_keeps_what_is_done(
    cohort, week, hand_in, tiny, monkeypatch, where
):
    hand_in("ann", **tiny.RIGHT)
    grade(cohort, week)
    hand_in("bo", **tiny.RIGHT)
    before = everything_in(cohort.root)
    real = os.mkdir

    def full(path, *arguments, **named):
        if f"{cohort.root}/{where}" in str(path) and "ann" not in str(path):
            raise OSError(28, "No space left on device", str(path))
        return real(path, *arguments, **named)

    if where == "grading":
        from civicml.cohort import grading

        def no_room(*_):
            raise CivicmlError("The disk is full.")

        monkeypatch.setattr(grading, "write_record", no_room)
    else:
        monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(CivicmlError, match="disk is full"):
        grade(cohort, week)
    monkeypatch.undo()
    assert everything_in(cohort.root)["rows"][: len(before["rows"])] == before["rows"]
    assert [(one.learner, one.score) for one in grade(cohort, week).graded] == [("ann", 8), ("bo", 8)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cohort_is_one_sentence(cohort, week, hand_in):
    hand_in("ann")
    (cohort.root / "grading").chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(CivicmlError, match="denied"):
        grade(cohort, week)


def test_two_do_not_grade_at_once(cohort, week, hand_in):
    hand_in("ann")
    with FileLock(cohort.root / "grading" / ".lock"):
        for step in (grade, return_week):
            with pytest.raises(CivicmlError, match="Somebody else is grading"):
                step(cohort, week)
    assert [one.new for one in grade(cohort, week).graded] == [True]


def test_a_half_written_record_is_graded_again(cohort, week, hand_in, tiny):
    hand_in("ann", **tiny.RIGHT)
    grade(cohort, week)
    (cohort.root / "grading" / "week01" / "ann.json").write_text('{"fingerprint": "')
    assert [one.new for one in grade(cohort, week).graded] == [True]


def test_a_lost_autograded_notebook_is_made_again(cohort, week, hand_in, tiny):
    hand_in("ann", **tiny.RIGHT)
    grade(cohort, week)
    shutil.rmtree(cohort.root / "autograded" / "ann")
    assert [one.new for one in grade(cohort, week).graded] == [True]
    assert cohort.notebook("autograded", week, "ann").is_file()
