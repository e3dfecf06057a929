"""Grading on a Dask cluster: real schedulers and workers, killed and cut off; marks as on one machine."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from civicml.autograder.pool import why_no_sandbox
from civicml.cohort import grade
from civicml.errors import CivicmlError

LEARNERS = ("ann", "bo", "cy", "di")
pytestmark = pytest.mark.skipif(bool(why_no_sandbox()), reason=f"no sandbox here: {why_no_sandbox()}")


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DaskProcesses:
    """A scheduler and its workers, each a process of its own, gone at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: list[subprocess.Popen] = []
        self.address = ""

    def start_scheduler(self, host: str = "127.0.0.1", *prefix: str) -> None:
        port = free_port()
        self.address = f"tcp://{host}:{port}"
        self.scheduler = self._start(
            *prefix, sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", host,
            "--port", str(port), "--no-dashboard", "--no-jupyter",
        )  # fmt: skip

    def start_worker(self, *prefix: str) -> subprocess.Popen:
        return self._start(
            *prefix, sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--no-nanny",
            "--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder),
            "--memory-limit", "0",
        )  # fmt: skip

    def _start(self, *command: str) -> subprocess.Popen:
        log = (self._folder / f"{len(self._all)}.log").open("wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ, start_new_session=True)
        self._all.append(process)
        return process

    def wait_for(self, workers: int) -> None:
        from distributed import Client

        with Client(self.address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)

    def stop(self) -> None:
        for process in self._all:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def dask(tmp_path):
    folder = tmp_path / "dask"
    folder.mkdir()
    processes = DaskProcesses(folder)
    yield processes
    processes.stop()


@pytest.fixture
def handed_in_by_all(hand_in, tiny):
    for learner in LEARNERS:
        hand_in(learner, **{**tiny.RIGHT, "q1": "import time\ntime.sleep(0.4)\n" + tiny.RIGHT["q1"]})


def marks(root: Path) -> list:
    with closing(sqlite3.connect(root / "gradebook.db")) as book:
        return book.execute(
            "SELECT s.student_id, c.name, g.auto_score FROM grade g JOIN base_cell c ON g.cell_id = c.id "
            "JOIN submitted_notebook n ON g.notebook_id = n.id "
            "JOIN submitted_assignment s ON n.assignment_id = s.id ORDER BY 1, 2"
        ).fetchall()


def test_two_workers_of_which_one_is_killed_midway_lose_and_double_nothing(
    cohort, week, handed_in_by_all, dask, tmp_path
):
    shutil.copytree(cohort.root, tmp_path / "alone", symlinks=True)
    dask.start_scheduler()
    first, _ = dask.start_worker(), dask.start_worker()
    dask.wait_for(2)

    def kill_once_something_is_graded(done: int, planned: int, who: str) -> None:
        if done == 1 and first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)

    done = grade(cohort, week, scheduler=dask.address, report=kill_once_something_is_graded)
    assert first.wait() == -signal.SIGKILL
    assert [(one.learner, one.score) for one in done.graded] == [(one, 8) for one in LEARNERS]
    assert done.no_sandbox == ""
    found = marks(cohort.root)
    assert len(found) == len({row[:2] for row in found}) == 4 * len(LEARNERS)
    from civicml.cohort import open_cohort

    alone = open_cohort(tmp_path / "alone")
    grade(alone, week)
    assert marks(alone.root) == found
    on_cluster, here = (
        json.loads(place.notebook("autograded", week, "bo").read_text()) for place in (cohort, alone)
    )
    assert [cell["source"] for cell in on_cluster["cells"]] == [cell["source"] for cell in here["cells"]]


def test_work_that_is_no_notebook_gets_its_reason_and_stops_nobody(
    cohort, week, hand_in, tiny, dask, tmp_path
):
    for learner in LEARNERS:
        hand_in(learner, **tiny.RIGHT)
    dask.start_scheduler()
    dask.start_worker()
    dask.wait_for(1)
    grade(cohort, week, scheduler=dask.address)
    peers = cohort.notebook("submitted", week, "bo")
    mine = cohort.notebook("submitted", week, "ann")
    mine.unlink()
    mine.symlink_to(peers)
    done = grade(cohort, week, scheduler=dask.address)
    assert {one.learner: one.score for one in done.graded} == {"ann": 0, "bo": 8, "cy": 8, "di": 8}
    assert "not a regular file" in done.graded[0].problem


def test_a_scheduler_that_dies_keeps_the_marks_so_far(cohort, week, handed_in_by_all, dask):
    dask.start_scheduler()
    dask.start_worker()
    dask.wait_for(1)

    def kill_the_scheduler(done: int, planned: int, who: str) -> None:
        if done == 1 and dask.scheduler.poll() is None:
            os.killpg(dask.scheduler.pid, signal.SIGKILL)

    with pytest.raises(CivicmlError, match="The scheduler does not answer any more"):
        grade(cohort, week, scheduler=dask.address, report=kill_the_scheduler)
    kept = marks(cohort.root)
    done = grade(cohort, week)
    assert [(one.learner, one.score) for one in done.graded] == [(one, 8) for one in LEARNERS]
    assert 1 <= sum(not one.new for one in done.graded) < 4
    after = marks(cohort.root)
    assert {row for row in kept if row[2] is not None} <= set(after)
    assert len(after) == len({row[:2] for row in after})


def test_workers_that_cannot_see_the_cohort_say_so(cohort, week, handed_in_by_all, dask, tmp_path):
    hidden = tmp_path / "empty"
    hidden.mkdir()
    dask.start_scheduler()
    dask.start_worker(
        "unshare", "--mount", "sh", "-c", f'mount --bind {hidden} {cohort.root} && exec "$@"', "sh"
    )
    try:
        dask.wait_for(1)
    except Exception:
        pytest.skip("no mount namespace can be made here")
    with pytest.raises(
        CivicmlError, match=r"A worker of the cluster cannot grade this lab: it cannot read .*lab.ipynb"
    ):
        grade(cohort, week, scheduler=dask.address)


@contextmanager
def two_networks():
    """Two network namespaces joined to this one by a bridge; gives this side's address and their names."""
    tag = f"cv{os.getpid() % 10_000}"
    bridge, spaces = f"{tag}b", [f"{tag}n{number}" for number in (1, 2)]

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        ip("link", "add", bridge, "type", "bridge")
        ip("addr", "add", "10.213.77.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number, space in enumerate(spaces, start=2):
            ip("netns", "add", space)
            ip("link", "add", f"{tag}v{number}", "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", f"{tag}v{number}", "master", bridge, "up")
            ip("-n", space, "addr", "add", f"10.213.77.{number}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
        yield "10.213.77.1", spaces
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)


def test_workers_on_other_networks_grade_as_well(cohort, week, hand_in, tiny, dask):
    for learner in LEARNERS:
        hand_in(learner, **tiny.RIGHT)
    try:
        with two_networks() as (host, spaces):
            dask.start_scheduler(host)
            for space in spaces:
                dask.start_worker("ip", "netns", "exec", space)
            dask.wait_for(2)
            from distributed import Client

            with Client(dask.address, set_as_default=False) as client:
                found = {re.sub(r":\d+$", "", worker) for worker in client.nthreads()}
            assert found == {"tcp://10.213.77.2", "tcp://10.213.77.3"}
            done = grade(cohort, week, scheduler=dask.address)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"network namespaces cannot be made here: {error}")
    assert [(one.learner, one.score) for one in done.graded] == [(one, 8) for one in LEARNERS]


def test_nobody_there_is_said_in_one_sentence(cohort, week, hand_in, tiny, dask, monkeypatch):
    hand_in("ann", **tiny.RIGHT)
    monkeypatch.setattr("civicml.cohort.cluster._CONNECT_SECONDS", 1)
    with pytest.raises(CivicmlError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        grade(cohort, week, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(CivicmlError, match="No Dask scheduler answers at nonsense"):
        grade(cohort, week, scheduler="nonsense")
    with pytest.raises(CivicmlError, match="A cluster runs the engine"):
        grade(cohort, week, scheduler="tcp://127.0.0.1:1", executor="nbgrader")
    dask.start_scheduler()
    monkeypatch.setattr("civicml.cohort.cluster._CONNECT_SECONDS", 20)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", int(dask.address.rsplit(":", 1)[1]))) == 0:
                break
        threading.Event().wait(0.1)
    with pytest.raises(CivicmlError, match="has no workers"):
        grade(cohort, week, scheduler=dask.address)


def test_nothing_that_comes_back_is_unpickled():
    """A worker that answers with a pickle is refused by the client that `cluster` makes."""
    import pickle

    from distributed.protocol import deserialize, serialize

    class Trap:
        def __reduce__(self):
            return (print, ("this ran",))

    header, frames = serialize(Trap(), serializers=["pickle"])
    with pytest.raises(TypeError):
        deserialize(header, frames, deserializers=["msgpack", "dask", "error"])
    assert pickle.loads(frames[0]) is None  # it would have run
