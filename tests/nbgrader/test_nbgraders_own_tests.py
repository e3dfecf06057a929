"""What nbgrader's own tests ask of its executor, ours does too; autograding's are run by the script alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from civicml.autograder import sandbox

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "nbgrader_tests.py"


def test_nbgraders_tests_of_validating_and_preprocessing_pass_with_our_executor() -> None:
    if not sandbox.sandboxed(sandbox.protections()):
        pytest.skip("this machine cannot make the sandbox")

    done = subprocess.run([sys.executable, SCRIPT, "--quick"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
