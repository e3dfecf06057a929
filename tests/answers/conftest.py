"""A course of one tiny lab, with an answer bank that holds."""

import shutil
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from civicml.course import Course, load_course

COURSE = """
title = "A tiny course"
organisation = "test"
timezone = "Europe/London"
[late]
grace_minutes = 0
percent_per_day = 10.0
at_most_percent = 50.0
[[weeks]]
number = 1
folder = "week01_tiny"
title = "Tiny"
question = "Does it add up?"
outcomes = ["Add"]
datasets = []
hours = 1.0
points = 10
release = { day = 0, time = 09:00:00 }
due = { day = 1, time = 09:00:00 }
written = true
"""


def marked(cell, name: str, **flags):
    """`cell` with nbgrader's metadata."""
    plain = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = {**plain, "grade_id": name, **flags}
    return cell


def solution(name: str, source: str):
    return marked(new_code_cell(dedent(source).strip()), name, solution=True)


def checks(name: str, points: float, source: str):
    return marked(new_code_cell(dedent(source).strip()), name, grade=True, locked=True, points=points)


def lab():
    """Two questions that tests mark and one that a person does; 10 points."""
    return {
        "data": new_code_cell("numbers = [3, 1, 2]"),
        "q1": solution(
            "q1",
            """
            def total(values):
                ### BEGIN SOLUTION
                return sum(values)
                ### END SOLUTION
            """,
        ),
        "q1_visible": checks(
            "q1_visible", 1, "assert total([1, 2]) == 3, f'1 + 2 is 3, not {total([1, 2])}'"
        ),
        "q1_hidden": checks(
            "q1_hidden",
            3,
            """
            ### BEGIN HIDDEN TESTS
            assert total([0]) == 0, 'Zero alone adds up to zero'
            assert total([]) == 0, 'Nothing adds up to zero'
            ### END HIDDEN TESTS
            """,
        ),
        "q2": solution(
            "q2",
            """
            def largest(values):
                ### BEGIN SOLUTION
                return max(values)
                ### END SOLUTION
            """,
        ),
        "q2_test": checks(
            "q2_test",
            4,
            """
            assert largest([1, 2]) == 2, 'Of 1 and 2 the larger is 2'
            ### BEGIN HIDDEN TESTS
            assert largest(numbers) == 3, 'Of 3, 1 and 2 the largest is 3'
            ### END HIDDEN TESTS
            """,
        ),
        "q3": marked(new_markdown_cell("A good memo."), "q3", grade=True, solution=True, points=2),
    }


def answer(why: str, *lines: str, loses: dict[str, float] | None = None) -> str:
    header = [f"# why: {why}", *(f"# loses: {cell} = {points:g}" for cell, points in (loses or {}).items())]
    return "\n".join([*header, "", *lines, ""])


def bank() -> dict[str, str | None]:
    """Files of an answer bank that holds, by path."""
    both = {"q1_visible": 1, "q1_hidden": 3}
    return {
        "q1/right_builtin.py": answer("the built-in", "total = sum"),
        "q1/right_loop.py": answer(
            "by hand", "def total(values):", "    t = 0", "    for v in values: t += v", "    return t"
        ),
        "q1/wrong_constant.py": answer(
            "passes what it can see", "def total(values): return 3", loses={"q1_hidden": 3}
        ),
        "q1/wrong_first.py": answer(
            "no empty list", "def total(values): return values[0] + sum(values[1:])", loses={"q1_hidden": 3}
        ),
        "q1/wrong_zero.py": answer("gave up", "def total(values): return 0", loses={"q1_visible": 1}),
        "q1/wrong_none.py": answer("no return", "def total(values): sum(values)", loses=both),
        "q2/right_builtin.py": answer("the built-in", "largest = max"),
        "q2/right_sorted.py": answer("sorts", "def largest(values): return sorted(values)[-1]"),
        "q2/wrong_last.py": answer(
            "thinks they are sorted", "def largest(values): return values[-1]", loses={"q2_test": 4}
        ),
        "q2/wrong_min.py": answer("the wrong end", "largest = min", loses={"q2_test": 4}),
        "q2/wrong_two.py": answer("as in the example", "def largest(values): return 2", loses={"q2_test": 4}),
        "q2/wrong_raises.py": answer("unfinished", "raise ValueError('unfinished')", loses={"q2_test": 4}),
        "q3/right_memo.md": "<!-- why: says who acts -->\n\nThe manager phones forty people.\n",
    }


@pytest.fixture
def tiny_course(tmp_path: Path):
    """Writes the course: ``tiny_course(cells=…, files=…)`` changes what is in it."""

    def write(
        cells: dict | None = None, files: dict[str, str | None] | None = None, only: str = ""
    ) -> Course:
        root = tmp_path / "tiny"
        (root / "course").mkdir(parents=True)
        (root / "course" / "course.toml").write_text(COURSE)
        settings = Path(__file__).parents[2] / "autograder" / "nbgrader_config.py"
        (root / "autograder").mkdir()
        shutil.copy(settings, root / "autograder")
        week = root / "modules" / "week01_tiny"
        week.mkdir(parents=True)
        notebook = new_notebook(cells=list((cells or lab()).values()))
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, week / "lab.ipynb")
        for name, text in {**bank(), **(files or {})}.items():
            if text is not None and (only in name or name in (files or {})):
                path = root / "autograder" / "answers" / "week01" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return load_course(root)

    return write
