"""A machine with several users: a learner reaches what is the learner's, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# The environment may lie in a directory that only its owner enters. So the one process loads all it
# needs by playing a first learner, and becomes another user then.
PLAY = """
import json, os, sys
sys.modules["rfc3987_syntax"] = None  # as the command does, to start sooner
from datetime import UTC, datetime
from pathlib import Path
from civicml.cohort import fetch, fetch_feedback, grade, open_cohort, progress, return_week, submit
from civicml.errors import CivicmlError

root, desk, nobody = Path(sys.argv[1]), Path(sys.argv[2]), 65534
now = datetime(2026, 1, 20, 12, tzinfo=UTC)

def hand_in(learner):
    cohort = open_cohort(root)
    week = cohort.course.week("week01")
    submit(cohort, week, learner, fetch(cohort, week, desk / learner).notebook, now=now)
    return [progress(cohort, learner).weeks[0].state]

def as_nobody(work):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setgid(nobody)
        os.setuid(nobody)
        try:
            said = work()
        except BaseException as error:
            said = [f"{type(error).__name__}: {error}"]
        os.write(writer, json.dumps(said).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(reader, 100_000))

def opened(path):
    try:
        list(path.iterdir()) if path.is_dir() else path.read_bytes()
        return True
    except PermissionError:
        return False

def look_around():
    return [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if opened(path)]

def feedback_of(learner):
    try:
        cohort = open_cohort(root)
        return [fetch_feedback(cohort, cohort.course.week("week01"), learner, desk / learner).marks.learner]
    except CivicmlError as error:
        return [str(error)]

hand_in("ann")
told = {"bo": as_nobody(lambda: hand_in("bo"))}
cohort = open_cohort(root)
week = cohort.course.week("week01")
told["graded"] = [one.learner for one in grade(cohort, week).graded]
return_week(cohort, week)
feedback_of("ann")
told["open"] = as_nobody(look_around)
told["own"], told["peer"] = as_nobody(lambda: feedback_of("bo")), as_nobody(lambda: feedback_of("ann"))
print(json.dumps(told))
"""


@pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="only root can become another user")
def test_a_learner_who_is_another_user_hands_in_and_gets_feedback_and_sees_nobody_else(_template):
    world = Path(tempfile.mkdtemp())  # pytest's own directories are closed to other users
    try:
        shutil.copytree(_template, world, dirs_exist_ok=True)
        world.chmod(0o755)
        (world / "desk").mkdir()
        (world / "desk").chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", PLAY, world / "cohort", world / "desk"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": str(world / "desk")},
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
    finally:
        shutil.rmtree(world)
    assert told["bo"] == ["submitted"]
    assert told["graded"] == ["ann", "bo"]
    assert told["own"] == ["bo"]
    assert "Permission denied" in told["peer"][0]
    readable = {place.split("/")[0] for place in told["open"]}
    assert readable == {"cohort.toml", "nbgrader_config.py", "exchange", "tracking"}
    inside = {place for place in told["open"] if place.startswith("exchange/")}
    assert not any("cache/ann" in place or "inbound/" in place for place in inside)
