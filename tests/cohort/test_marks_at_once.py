"""Handing in and hearing what it earned: marks, the limit of a day, what is kept, and what is never told."""

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from civicml.cohort import grade, gradebook, hand_in, open_cohort, release
from civicml.cohort.attempts import attempts
from civicml.cohort.exchange import handed_in
from civicml.cohort.handing_in import SOCKET, end_service
from civicml.errors import CivicmlError

THREE = "def total(values):\n    return 3"
LAST = "def largest(values):\n    return sorted(values)[1]"
POLICY = '[attempts]\ncounts = "{counts}"\nmarks_per_day = {most}\n'


@pytest.fixture
def submit(cohort, work):
    """Hands in by the command's own way; the process that marks is ended with the test."""

    def do(learner="ann", **answers):
        return hand_in(cohort.root, "week01", learner, work(learner, **answers))

    return do


@pytest.fixture
def policy(cohort):
    def write(counts="last", most=10):
        path = cohort.course.root / "course" / "course.toml"
        text = path.read_text().partition("[attempts]")[0].partition("[[weeks]]")
        rest = path.read_text()[path.read_text().index("[[weeks]]") :]
        path.write_text(text[0] + POLICY.format(counts=counts, most=most) + rest)
        return open_cohort(cohort.root)

    return write


def earned(attempt) -> dict:
    return {cell.name: cell.points for cell in attempt.cells}


def test_marks_of_visible_and_hidden_tests_come_back_and_are_those_that_grading_records(
    cohort, week, submit, tiny
):
    done = submit(q1=THREE, q2=tiny.RIGHT["q2"], q3="A memo.")
    assert earned(done.attempt) == {"q1_test": 0, "q2_visible": 2, "q2_hidden": 2, "q3": None}
    assert (done.attempt.points, done.attempt.most, done.attempt.to_be_marked) == (4, 8, 2)
    assert (done.used, done.per_day, done.no_marks) == (1, 10, "")
    assert gradebook(cohort)[0].state == "submitted", "the gradebook is grading's alone"
    [ann] = grade(cohort, week).graded
    assert ann.score == done.attempt.points


def test_a_hidden_test_says_what_to_try_and_neither_its_text_nor_its_values(submit):
    done = submit(q1=THREE, q2=LAST)
    said = {cell.name: (cell.hidden, cell.message) for cell in done.attempt.cells}
    assert said["q1_test"] == (True, "Try a longer list; yours adds up to …")
    assert said["q2_hidden"] == (True, "What if it comes twice?") or said["q2_hidden"][0] is False
    everything = json.dumps(done.attempt.as_json())
    for secret in ("secret_case", "10, 20, 30", "CIVICML_COHORT", "7, 5, 7, 6"):
        assert secret not in everything


def test_the_second_time_the_worker_is_warm_and_every_attempt_is_kept(cohort, week, submit, tiny):
    submit(q1=THREE)
    workers = set(Path(f"/proc/{_service(cohort)}/task").iterdir())
    second = submit(**tiny.RIGHT)
    assert second.receipt.earlier == 1
    assert second.used == 2
    assert workers
    kept = attempts(cohort, week, "ann")
    assert [one.points for one in kept] == [0, 8]
    assert [one.place for one in kept] == [path.name for _, path in handed_in(cohort, "week01")["ann"]]
    assert all(one.told for one in kept)
    path = cohort.root / "grading" / "attempts" / "week01" / "ann.jsonl"
    assert path.stat().st_mode & 0o077 == 0
    before = path.read_text()
    submit()
    assert path.read_text().startswith(before)


def _service(cohort) -> int:
    with socket.socket(socket.AF_UNIX) as probe:
        folder = os.open(cohort.root / "exchange", os.O_RDONLY)
        probe.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        os.close(folder)
        import struct

        return struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def test_after_the_days_limit_work_is_handed_in_and_no_marks_are_told(cohort, week, submit, policy):
    policy(most=2)
    assert [submit().used, submit().used] == [1, 2]
    third = submit()
    assert third.attempt is None
    assert third.no_marks.startswith("You were told marks 2 times today, which is the most for one day.")
    assert len(handed_in(cohort, "week01")["ann"]) == 3
    assert len(attempts(cohort, week, "ann")) == 2
    assert submit("bo").used == 1, "everybody has a limit of their own"


def test_a_limit_of_nothing_tells_no_marks_and_starts_no_process(cohort, week, submit, policy):
    policy(most=0)
    done = submit()
    assert (done.attempt, done.no_marks) == (None, "")
    assert not (cohort.root / "exchange" / SOCKET).exists()


@pytest.mark.parametrize(
    ("key", "value"), [("counts", '"first"'), ("marks_per_day", "-1"), ("each_day", "3")]
)
def test_a_policy_that_cannot_be_used_is_one_sentence(cohort, key, value):
    path = cohort.course.root / "course" / "course.toml"
    path.write_text(path.read_text().replace("[[weeks]]", f"[attempts]\n{key} = {value}\n[[weeks]]", 1))
    with pytest.raises(CivicmlError, match=rf"attempts\.{key}"):
        open_cohort(cohort.root)


def test_killed_the_process_is_started_again_by_the_next_submission(cohort, submit, tiny):
    submit(**tiny.RIGHT)
    os.kill(_service(cohort), signal.SIGKILL)
    assert submit(q1=THREE).attempt.points == 4
    assert submit(**tiny.RIGHT).attempt.points == 8


def test_a_corrected_lab_is_marked_by_its_new_tests(cohort, week, submit, tiny):
    assert (
        submit(**{**tiny.RIGHT, "q1": "def total(values):\n    return sum(values[:4])"}).attempt.points == 8
    )
    cells = tiny.lab_cells()
    cells[4].source = cells[4].source.replace("30, 40]", "30, 39, 1]")
    tiny.write_lab(cohort.course.root, cells)
    release(cohort, week)
    assert submit().attempt.points == 4


def test_a_lab_that_fails_its_own_tests_tells_learners_nothing_of_them(cohort, week, submit, tiny):
    cells = tiny.lab_cells()
    cells[4].source = cells[4].source.replace("== 100", "== 101")
    tiny.write_lab(cohort.course.root, cells)
    release(cohort, week)
    done = submit(**tiny.RIGHT)
    assert done.attempt is None
    assert done.no_marks == "Marks cannot be told: the lab does not pass its own tests. Tell your instructor."
    assert "q1_test" in (cohort.root / "logs" / "service.log").read_text()


def test_damaged_work_is_refused_as_ever_and_an_unknown_learner_too(cohort, submit, work, tiny):
    submit(**tiny.RIGHT)
    notebook = work("bo")
    notebook.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(CivicmlError, match="is a zip archive, not a notebook"):
        hand_in(cohort.root, "week01", "bo", notebook)
    with pytest.raises(CivicmlError, match="'zed' is not enrolled"):
        hand_in(cohort.root, "week01", "zed", work("ann"))
    assert "bo" not in handed_in(cohort, "week01")


ASK = """
import json, os, socket, sys
from pathlib import Path
from civicml.cohort import handing_in
os.setgid(65534); os.setuid(65534)
with handing_in._connection(Path(sys.argv[1])) as service:
    try:
        told = handing_in._ask(service, json.loads(sys.argv[2]), 60)
    except Exception as error:
        told = str(error)
print(json.dumps(told))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_nothing_of_somebody_elses_work(cohort, submit, tiny):
    import shutil
    import tempfile

    done = submit(**tiny.RIGHT)
    # pytest's own directories are closed to other users
    world = Path(tempfile.mkdtemp())
    try:
        end_service(cohort.root)
        shutil.copytree(cohort.root.parent, world, dirs_exist_ok=True)
        world.chmod(0o755)
        cohort_there = world / "cohort"
        submit_there = hand_in(cohort_there, "week01", "bo", world / "desks" / "ann")
        assert submit_there.attempt.points == 8
        for request in (
            {"op": "mark", "learner": "ann", "week": "week01", "place": done.receipt.place},
            {"op": "mark", "learner": "ann", "week": "week01", "place": "../outbound/ann+week01+x"},
            {"op": "submit", "learner": "ann", "week": "week01", "source": str(world), "course": ""},
            {"op": "end"},
            {},
        ):
            asked = subprocess.run(
                [sys.executable, "-c", ASK, cohort_there, json.dumps(request)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert "attempt" not in asked.stdout
            assert "receipt" not in asked.stdout
        assert _service(open_cohort(cohort_there))
        end_service(cohort_there)
    finally:
        shutil.rmtree(world)


# --- which attempt counts -------------------------------------------------------------------------


def test_the_last_attempt_counts_where_the_course_does_not_say_otherwise(cohort, week, submit, tiny):
    submit(**tiny.RIGHT)
    submit(q1=THREE)
    [ann] = grade(cohort, week).graded
    assert ann.score == 4


def test_where_the_best_counts_a_worse_attempt_afterwards_costs_nothing(cohort, week, submit, policy, tiny):
    cohort = policy("best")
    submit(**tiny.RIGHT)
    submit(q1=THREE)
    [ann] = grade(cohort, week).graded
    assert (ann.score, ann.new) == (8, True)
    assert gradebook(cohort)[0].state == "needs marking"
    assert [one.new for one in grade(cohort, week).graded] == [False]
    submit("bo", q1=THREE)
    submit(**tiny.RIGHT)
    assert gradebook(cohort)[0].state == "submitted" or gradebook(cohort)[0].score == 8
    assert [(one.learner, one.score) for one in grade(cohort, week).graded] == [("ann", 8), ("bo", 0)]


def test_where_the_best_counts_attempts_that_nobody_marked_are_looked_at_too(
    cohort, week, policy, hand_in, tiny
):
    cohort = policy("best")
    early, late = tiny.DUE - timedelta(hours=1), tiny.DUE + timedelta(days=2)
    hand_in("ann", now=early, q1=tiny.RIGHT["q1"], q2=LAST)
    hand_in("ann", now=late, **tiny.RIGHT)
    hand_in("bo", now=early, q1=THREE, q2=LAST)
    hand_in("bo", now=late, **tiny.RIGHT)
    graded = {one.learner: one for one in grade(cohort, week, jobs=2).graded}
    # Two days late costs three points of ten: what was in time may be worth more.
    assert [one.told for one in attempts(cohort, week, "ann")] == [False, False]
    assert (graded["ann"].score, graded["ann"].late_penalty) in {(6, 0), (8, 2)}
    assert graded["bo"].score == 8
    assert all(len(attempts(cohort, week, one)) == 2 for one in ("ann", "bo"))
    assert not any(one.new for one in grade(cohort, week).graded)


def test_the_best_cannot_be_found_by_nbgraders_executor(cohort, week, policy, hand_in, tiny):
    cohort = policy("best")
    hand_in("ann", **tiny.RIGHT)
    assert grade(cohort, week, executor="nbgrader").graded[0].score == 8
    hand_in("ann", now=tiny.IN_TIME + timedelta(minutes=1), q1=THREE)
    with pytest.raises(CivicmlError, match="the best attempt counts"):
        grade(cohort, week, executor="nbgrader")
