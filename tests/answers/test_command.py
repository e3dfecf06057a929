"""`civicml prove` as an author would type it."""

import os
import subprocess
import sys
from pathlib import Path

from .conftest import answer


def civicml(course: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CIVICML_")}
    environment = clean | {
        "CIVICML_COURSE": str(course),
        "CIVICML_CACHE": str(course / "cache"),
        "COLUMNS": "120",
    }
    return subprocess.run(
        [sys.executable, "-m", "civicml", *words],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_bank_that_does_not_hold_is_shown_and_fails(tiny_course):
    wrong = answer("is right after all", "largest = max", loses={"q2_test": 4})
    course = tiny_course(files={"q2/wrong_accepted.py": wrong}, only="q2/right_builtin")
    proved = civicml(course.root, "prove", "1", "--question", "q2", "--jobs", "1")
    assert proved.returncode == 1
    assert "q2/wrong_accepted.py: q2_test should lose 4 of 4 points, but lost none." in proved.stdout
    assert "q2: a question needs at least 4 wrong answers; q2 has 1." in proved.stdout
    assert "0/1" in proved.stdout
    assert "The answer bank of week01 does not hold" in proved.stderr
    assert "Traceback" not in proved.stdout + proved.stderr


def test_an_unknown_question_is_one_sentence(tiny_course):
    refused = civicml(tiny_course().root, "prove", "week01", "--question", "q9")
    assert refused.returncode == 1
    assert refused.stderr.strip().splitlines()[-1] == (
        "civicml: week01 has no question called 'q9'; it has q1, q2, q3."
    )
