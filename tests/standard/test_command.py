"""`civicml standard` as an author would type it."""

import os
import subprocess
import sys


def test_problems_are_listed_and_fail_the_command(problems_of, tmp_path):
    problems = problems_of(lambda files: files.pop("lesson2_sums.ipynb"))
    refused = subprocess.run(
        [sys.executable, "-m", "civicml", "standard", "week01"],
        check=False,
        env=os.environ | {"CIVICML_COURSE": str(tmp_path / "tiny")},
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1
    assert refused.stdout.strip() == problems[0]
    assert refused.stderr.strip() == "civicml: week01: one problem, listed above."
