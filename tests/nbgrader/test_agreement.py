"""A few honest submissions earn from the engine what nbgrader as shipped gives them.

Hundreds are compared by ``benchmarks/agreement.py``, of which this is the beginning.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from civicml.autograder import sandbox

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "agreement.py"


def test_marks_of_honest_submissions_are_those_of_nbgrader(tmp_path: Path) -> None:
    if not sandbox.sandboxed(sandbox.protections()):
        pytest.skip("this machine cannot make the sandbox")
    results = tmp_path / "agreement.jsonl"
    # nbgrader calls alembic as a command, which lies beside this Python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        [
            sys.executable, SCRIPT, "--weeks", "week01", "--submissions", "2", "--honest", "4",
            "--results", results,
        ],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    compared = [json.loads(line) for line in results.read_text().splitlines()]
    assert sorted(one["lab"] for one in compared) == ["honest"] * 4 + ["week01"] * 2
    assert all(set(one["nbgrader"].values()) - {None} >= {0.0} for one in compared)  # not all is right
    assert all(len(set(one["nbgrader"].values()) - {None, 0.0}) > 0 for one in compared)  # nor wrong
