"""A week that keeps every rule, so that a test can break one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from civicml.course import load_course
from civicml.standard import check_week

FOLDER = "modules/week01_tiny"

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
outcomes = ["Add numbers", "Check a sum"]
datasets = []
hours = 6.5
points = 100
release = { day = 0, time = 09:00:00 }
due = { day = 1, time = 09:00:00 }
written = true
"""

PROSE = "A sum is only worth the care that somebody took with every one of its numbers. " * 48

README = """
# Week 1: tiny

## The question

Does it add up?

## What you will be able to do

- Add numbers
- Check a sum

## Hours

About 6.5 hours.

## Before you start

Nothing.

## Quiz

{quiz}

## For instructors

Notes.

## Further reading

- A book, 2020.
"""


def quiz_question(number: int) -> str:
    return f"""
**{number}. What is {number} and one?**

- A. {number}
- B. {number + 1}
- C. {number + 2}

<details><summary>Answer</summary>

- A. That is the number itself.
- **B. Right.** One comes after it.
- C. That is one too many.

</details>
"""


README = README.replace("{quiz}", "\n".join(map(quiz_question, range(1, 6))))


def text(source: str):
    return new_markdown_cell(source)


def code(source: str, *outputs):
    return new_code_cell(source, outputs=list(outputs))


def printed(said: str):
    return new_output("stream", name="stdout", text=said)


def picture(alt: str | None = "Two bars of the same height"):
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}
    return new_output("display_data", data, metadata={"image/png": {"alt": alt}} if alt else {})


def lesson():
    return [
        text("# A lesson\n\nOne to three sentences."),
        text("## What you will learn\n\n- Add\n- Check\n- Tell"),
        text("## Why a department cares\n\n" + PROSE),
        text("## The sum"),
        code("print(1 + 2)", printed("3\n")),
        text("Three: one and two together, and nothing besides."),
        code("draw()", picture()),
        text("Both bars are equally high, as they should be."),
        text("## Try it\n\nAdd three.\n\n<details><summary>Solution</summary>\n\nSix.\n\n</details>"),
        text("## Take away\n\n- One\n- Two\n- Three"),
        text("## Go further\n\n- A book, a publisher, 2020\n- A report, an office, 2021"),
    ]


def marked(cell, name: str, **flags):
    plain = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = {**plain, "grade_id": name, **flags}
    return cell


def lab():
    cells = [text("# A lab"), code("import mlflow\n\nfrom civicml import tracking")]
    for number in range(1, 8):
        name = f"q{number}"
        cells += [
            text(
                f"## {number}. Plus {number} ({12 if number < 7 else 13} points)\n\nWrite `plus_{number}(x)`."
            ),
            marked(
                code(
                    f"def plus_{number}(x):\n    ### BEGIN SOLUTION\n    {name}_sum = x + {number}\n"
                    f"    return {name}_sum  # a long line, to be known again\n    ### END SOLUTION"
                ),
                name,
                solution=True,
            ),
            marked(
                code(
                    f"assert plus_{number}(0) == {number}, 'Nothing plus {number} is {number}'\n"
                    f"### BEGIN HIDDEN TESTS\nassert plus_{number}(-1) == {number - 1}, 'Negative too'\n"
                    "### END HIDDEN TESTS"
                ),
                f"{name}_test",
                grade=True,
                locked=True,
                points=12 if number < 7 else 13,
            ),
        ]
    cells[-1].source += "\nassert tracking.last_run('week01'), 'Log a run first'"
    cells[1].outputs = [printed("ready\n")]
    cells += [
        text("## 8. Say why (15 points)\n\nWrite a memo."),
        marked(text("A good memo."), "q8", grade=True, solution=True, points=15),
        text("**Rubric.** Five points each for who, what and how much."),
    ]
    return cells


def notebook(cells):
    """`cells` as a notebook that was run from top to bottom."""
    made = new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    count = 0
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
    return made


@pytest.fixture
def problems_of(tmp_path: Path):
    """Writes the week, lets `change` break it, and returns what the standard says of it.

    `change` gets the week's files by name: notebooks as nbformat's nodes, the README as a list of one text.
    Sentences come back without the week's folder in front.
    """

    def check(change: Callable[[dict], object] = lambda files: None) -> list[str]:
        files: dict = {f"lesson{n}_sums.ipynb": notebook(lesson()) for n in (1, 2, 3)}
        files |= {"lab.ipynb": notebook(lab()), "README.md": [README]}
        change(files)
        root = tmp_path / "tiny"
        (root / FOLDER).mkdir(parents=True)
        (root / "course").mkdir()
        (root / "course" / "course.toml").write_text(COURSE)
        for name, content in files.items():
            stored = content[0] if isinstance(content, list) else json.dumps(content)
            (root / FOLDER / name).write_text(stored)
        course = load_course(root)
        return [str(problem).removeprefix(f"{FOLDER}/") for problem in check_week(course, course.weeks[0])]

    return check
