"""otter-grader on the labs of ``benchmarks/grading.py``, in an environment of its own.

Graded without its containers, one after the other in one process (`otter.api.grade_submission`): the quickest
way that it has. Its start-up does not count, and neither do ours nor nbgrader's.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

_GRADE = """
import json, resource, sys, time
from otter.api import grade_submission

def used():
    told = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in told)

grade_submission("lab.ipynb", "autograder.zip", quiet=True)
began, before = time.perf_counter(), used()
for _ in range(int(sys.argv[1])):
    found = grade_submission("lab.ipynb", "autograder.zip", quiet=True)
told = [time.perf_counter() - began, used() - before, found.total, found.possible]
print(json.dumps(told), file=sys.stderr)
"""


def measure(python: str, cells: list[Any], submissions: int, folder: Path) -> tuple[float, float]:
    """Seconds a submission, by the clock and of the processor.

    Args:
        python: the interpreter of an environment with otter-grader and what the lab imports.
        cells: (name, locked source, solution, tests), as ``benchmarks/grading.py`` has them.
        submissions: how many.
        folder: to be made, and worked in.
    """
    (folder / "tests").mkdir(parents=True)
    for name, _, solution, tests in cells:
        if solution is not None:
            (folder / "tests" / f"{name}.py").write_text(_test(name, tests), encoding="utf-8")
    (folder / "lab.ipynb").write_text(json.dumps(_notebook(cells)), encoding="utf-8")
    words = ["-m", "otter", "generate", "--tests-dir", "tests", "--no-environment", "--no-requirements"]
    # otter-grader takes the one kernel called python3, which is the one of its own environment.
    environment = {**os.environ, "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)

    def run(*command: str) -> str:
        done = subprocess.run(
            [python, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"otter-grader failed: {done.stderr[-2000:]}")
        return done.stderr

    run(*words)
    told = run("-c", _GRADE, str(submissions)).strip().splitlines()[-1]
    clock, used, total, possible = json.loads(told)
    if total != possible:
        raise SystemExit(f"otter-grader gave {total} of {possible} points, not all of them")
    return clock / submissions, used / submissions


def _test(name: str, tests: str) -> str:
    code = "\n".join(f">>> {line}" for line in tests.splitlines())
    suite = {"cases": [{"code": code, "hidden": False, "locked": False}], "type": "doctest"}
    return f"OK_FORMAT = True\ntest = { ({'name': name, 'points': 10, 'suites': [suite]})!r}\n"


def _notebook(cells: list[Any]) -> dict[str, Any]:
    sources = [solution if locked is None else locked for _, locked, solution, _ in cells]
    made = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {}, "source": source, "outputs": [],
         "execution_count": None}
        for number, source in enumerate(sources)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": made}
