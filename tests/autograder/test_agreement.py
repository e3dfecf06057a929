"""Honest work earns here what it earns from nbgrader as it is."""

import json
import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from civicml.autograder.limits import Settings
from civicml.autograder.pool import Pool
from civicml.autograder.verdict import Result

HONEST = tomllib.loads(Path(__file__).with_name("honest.toml").read_text(encoding="utf-8"))
MOST = max(len(question["wrong"]) for question in HONEST.values())
SETTINGS = Settings(
    imports=("numpy", "pandas", "pyarrow", "sklearn.linear_model", "sklearn.pipeline", "matplotlib.pyplot")
)


def notebook(answers: dict[str, str]) -> dict[str, Any]:
    """The lab of all questions, with these answers."""
    cells = [_cell("import numpy as np\nimport pandas as pd", "setup", locked=True)]
    for name, question in HONEST.items():
        cells.append(_cell(answers[name], name, solution=True))
        cells.append(_cell(question["tests"], f"{name}_test", grade=True, locked=True, points=10))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


def _cell(source: str, name: str, **flags: Any) -> dict[str, Any]:
    marking = {
        "grade_id": name,
        "grade": False,
        "solution": False,
        "locked": False,
        "task": False,
        "schema_version": 3,
    }
    return {
        "cell_type": "code", "id": name, "metadata": {"nbgrader": marking | flags}, "source": source,
        "outputs": [], "execution_count": None,
    }  # fmt: skip


def submissions() -> dict[str, dict[str, str]]:
    """All right; and as many with wrong answers as the question with the most has."""
    made = {"right": {name: question["answer"] for name, question in HONEST.items()}}
    for number in range(MOST):
        made[f"wrong{number}"] = {n: q["wrong"][number % len(q["wrong"])] for n, q in HONEST.items()}
    return made


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    folder = tmp_path_factory.mktemp("ours")
    paths = []
    for name, answers in submissions().items():
        paths.append(folder / f"{name}.ipynb")
        paths[-1].write_text(json.dumps(notebook(answers)), encoding="utf-8")
    with Pool(paths[0], SETTINGS) as pool:
        return {Path(result.submission).stem: result for result in pool.grade(paths)}


@pytest.fixture(scope="module")
def stock_marks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, float]]]:
    """What nbgrader's own autograder gives."""
    course = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        # nbgrader calls alembic as a command, which lies beside this Python.
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield _autograded(course)


def _autograded(course: Path) -> dict[str, dict[str, float]]:
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    settings = Config()
    settings.CourseDirectory.root = str(course)
    settings.CourseDirectory.db_url = f"sqlite:///{course}/gradebook.db"
    settings.ClearSolutions.enforce_metadata = False
    settings.ExecutePreprocessor.timeout = 60
    api = NbGraderAPI(config=settings)
    made = submissions()
    _write(course / "source" / "lab" / "lab.ipynb", notebook(made["right"]))
    assert api.generate_assignment("lab")["success"]
    for name, answers in made.items():
        _write(course / "submitted" / name / "lab" / "lab.ipynb", notebook(answers))
        graded = api.autograde("lab", name)
        assert graded["success"], graded
    from nbgrader.api import Gradebook

    with Gradebook(settings.CourseDirectory.db_url) as gradebook:
        return {
            name: {
                grade.name: grade.auto_score
                for grade in gradebook.find_submission_notebook("lab", "lab", name).grades
            }
            for name in made
        }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("name", HONEST)
def test_right_answers_earn_full_marks(name: str, results: dict[str, Result]) -> None:
    verdict = _verdict(results["right"], name)

    assert verdict.status == "passed", verdict.detail


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("number", range(MOST))
def test_wrong_answers_do_not(name: str, number: int, results: dict[str, Result]) -> None:
    verdict = _verdict(results[f"wrong{number}"], name)

    assert verdict.points is not None
    assert verdict.points < verdict.most


def test_marks_are_those_of_nbgrader(
    results: dict[str, Result], stock_marks: dict[str, dict[str, float]]
) -> None:
    ours = {name: {v.name: v.points for v in result.verdicts} for name, result in results.items()}

    assert ours == stock_marks


def _verdict(result: Result, name: str) -> Any:
    return next(verdict for verdict in result.verdicts if verdict.name == f"{name}_test")
