"""The command as a new user would type it, wrong arguments included."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def civicml(*words: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CIVICML_")} | {"COLUMNS": "160"}
    return subprocess.run(
        [sys.executable, "-m", "civicml", *words],
        check=False,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_weeks_lists_all_twelve_and_says_which_are_ready():
    shown = civicml("weeks")
    assert shown.returncode == 0, shown.stderr
    for number in range(1, 13):
        assert f"week{number:02d}" in shown.stdout
    ready = [line for line in shown.stdout.splitlines() if "ready" in line]
    assert ready and "week01" in ready[0]


def test_outside_a_course_there_is_one_sentence_and_no_traceback(tmp_path):
    refused = civicml("weeks", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("civicml: ")
    assert "is not inside a civicml course" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("wekks",), ("weeks", "extra"), ("--nonsense",)])
def test_a_mistyped_command_is_refused_with_a_hint(words):
    refused = civicml(*words)
    assert refused.returncode == 2
    assert "--help" in refused.stderr


def test_the_version_is_the_distributions():
    from importlib.metadata import version

    assert civicml("--version").stdout.strip() == f"civicml {version('civicml')}"
