"""What a lab finds around it in the sandbox: the published tables, on both sides, also those kept by year."""

import json
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from civicml.autograder import sandbox
from civicml.autograder.limits import Settings
from civicml.autograder.pool import Grader
from civicml.autograder.script import read_script
from civicml.autograder.surroundings import surround
from civicml.datasets import build_sealed

RECIPE = """
    import numpy as np
    import pandas as pd

    ROWS = 50

    def generate(streams, rows):
        yield {"people": pd.DataFrame({
            "year": np.full(rows, streams.year),
            "score": streams.rng("scores").integers(0, 100, rows),
        })}

    def publish(raw, streams, rules):
        yield {"people": raw.read("people")}

    def measure(tables):
        return {}
"""
SCHEMA = """
    name = "yearly"
    title = "A tiny dataset"
    source = "nobody"
    main_table = "people"
    [years]
    column = "year"
    published = [2021, 2022, 2023]
    default = [2023]
    measured = [2023]
    sealed = [2024]
    [tables.people]
    description = "One row a person."
    [tables.people.columns]
    year = { type = "integer", missing = false, description = "When." }
    score = { type = "integer", missing = false, description = "How much." }
"""
SOLUTION = """
from civicml.datasets import load

def years_of(wanted):
    ### BEGIN SOLUTION
    return sorted(load("yearly", years=wanted).people["year"].unique().tolist())
    ### END SOLUTION
"""
TEST = """
import os
from civicml.datasets import load, load_sealed
assert years_of(None) == [2023]
assert years_of([2021, 2022]) == [2021, 2022]
### BEGIN HIDDEN TESTS
assert years_of("all") == sorted(load("yearly", years="all").people["year"].unique().tolist())
assert load_sealed("yearly").people["year"].unique().tolist() == [2024]
assert os.environ["CIVICML_DATA"] == "published"
### END HIDDEN TESTS
"""


def marked(cell, name, **flags):
    cell.metadata["nbgrader"] = {
        "grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3,
        "grade_id": name, **flags,
    }  # fmt: skip
    return cell


@pytest.fixture
def yearly(tmp_path, monkeypatch) -> Path:
    """A course with one dataset that is kept by year, a cohort with its sealed layer, and a lab."""
    folder = tmp_path / "course" / "datasets" / "nowhere" / "yearly"
    folder.mkdir(parents=True)
    (folder / "recipe.py").write_text(textwrap.dedent(RECIPE))
    (folder / "schema.toml").write_text(textwrap.dedent(SCHEMA))
    (folder / "disclosure.toml").write_text("")
    (tmp_path / "course" / "course").mkdir()
    (tmp_path / "course" / "course" / "course.toml").write_text("")
    monkeypatch.setenv("CIVICML_COURSE", str(tmp_path / "course"))
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    build_sealed("yearly", "a secret of thirty-two characters", tmp_path / "cohort" / "sealed" / "yearly")
    cells = [
        marked(new_code_cell(SOLUTION.strip()), "q1", solution=True),
        marked(new_code_cell(TEST.strip()), "q1_test", grade=True, locked=True, points=4),
    ]
    notebook = new_notebook(cells=nbformat.from_dict(cells))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "lab.ipynb")
    return tmp_path


def test_years_are_there_for_the_learner_and_for_the_tests(yearly):
    if not sandbox.sandboxed(sandbox.protections()):
        pytest.skip("this machine cannot make the sandbox")
    lab = read_script(yearly / "lab.ipynb")
    settings = surround(Settings(), lab, yearly / "course", cohort=yearly / "cohort")
    grader = Grader(lab, settings)
    try:
        grader.learn()
        answer = json.loads((yearly / "lab.ipynb").read_text())
        (yearly / "right.ipynb").write_text(json.dumps(answer))
        assert [(v.status, v.points, v.message) for v in grader.grade(yearly / "right.ipynb").verdicts] == [
            ("passed", 4, "")
        ]
        wrong = "def years_of(wanted):\n    from civicml.datasets import load\n    load('yearly', years=2024)"
        answer["cells"][0]["source"] = wrong
        (yearly / "wrong.ipynb").write_text(json.dumps(answer))
        verdict = grader.grade(yearly / "wrong.ipynb").verdicts[0]
        assert verdict.points == 0
        assert "no year 2024" in verdict.message
    finally:
        grader.close()
