"""A worker that is killed, at any time, costs no submission and stops no batch."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from civicml.autograder.channel import Channel
from civicml.autograder.pool import Grader, Pool
from civicml.autograder.script import read_script
from civicml.autograder.session import Session

from .conftest import ATTACKS, SETTINGS, Submit, lost


@pytest.fixture
def own_grader() -> Any:
    grader = Grader(read_script(ATTACKS / "lab.ipynb"), SETTINGS)
    yield grader
    grader.close()


@pytest.fixture
def right(submission: Submit, tmp_path: Path) -> Path:
    path = tmp_path / "lab.ipynb"
    path.write_text(json.dumps(submission()), encoding="utf-8")
    return path


def killing(monkeypatch: pytest.MonkeyPatch, grader: Grader, times: int) -> list[int]:
    """Kill the worker -9 at the third test of a submission, `times` times."""
    killed: list[int] = []
    original = Session._test
    count = 0

    def test(self: Session, place: int, cell: Any) -> None:
        nonlocal count
        count += 1
        if cell.name == "q3_test" and len(killed) < times and grader.worker is not None:
            killed.append(grader.worker.number)
            os.kill(grader.worker.number, signal.SIGKILL)
        original(self, place, cell)

    monkeypatch.setattr(Session, "_test", test)
    return killed


def test_a_killed_worker_is_replaced_and_the_submission_graded(
    own_grader: Grader, right: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_grader.learn()
    killed = killing(monkeypatch, own_grader, 1)

    result = own_grader.grade(right)

    assert killed
    assert result.attempts == 2
    assert not lost(result)
    assert not any(Path(f"/proc/{number}").exists() for number in killed)


def test_a_submission_that_kills_twice_is_flagged_and_earns_nothing(
    own_grader: Grader, right: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_grader.learn()
    killing(monkeypatch, own_grader, 2)

    result = own_grader.grade(right)

    assert {v.status for v in result.verdicts} == {"void", "manual"}
    assert result.points == 0
    assert result.flags
    monkeypatch.undo()
    assert not lost(own_grader.grade(right))


def test_a_false_canary_voids_the_cell(
    own_grader: Grader, right: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_grader.learn()
    original = Channel.receive

    def receive(self: Channel, deadline: float | None = None) -> Any:
        message, parts = original(self, deadline)
        if isinstance(message, dict) and message.get("status") == "done":
            message = {"status": "void", "message": "The tests' own checks gave wrong answers."}
        return message, parts

    monkeypatch.setattr(Channel, "receive", receive)

    result = own_grader.grade(right)

    assert {v.status for v in result.verdicts} == {"void", "manual"}
    assert result.points == 0
    assert len(result.flags) == 5


def test_a_batch_gives_a_result_for_every_submission(submission: Submit, tmp_path: Path) -> None:
    paths = []
    for number, answer in enumerate(
        ("longest, share = 8, 0.4", "import os; os._exit(3)", "longest, share = 1, 0")
    ):
        paths.append(tmp_path / str(number) / "lab.ipynb")
        paths[-1].parent.mkdir()
        paths[-1].write_text(json.dumps(submission(q2=answer)), encoding="utf-8")
    paths.append(tmp_path / "missing" / "lab.ipynb")

    with Pool(ATTACKS / "lab.ipynb", SETTINGS, jobs=2) as pool:
        results = {result.submission: result for result in pool.grade(paths)}

    assert set(results) == {str(path) for path in paths}
    assert [results[str(path)].points for path in paths] == [50, 40, 40, 0]
