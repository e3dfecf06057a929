"""Rules for labs: each is broken once and gives its own sentence."""

import pytest

from .conftest import code, text

LAB = "lab.ipynb"


def lab(change):
    """A change of the lab's list of cells."""
    return lambda files: change(files[LAB].cells)


def replaced(position: int, old: str, new: str):
    def change(cells):
        assert old in cells[position - 1].source
        cells[position - 1].source = cells[position - 1].source.replace(old, new)

    return lab(change)


def marking(position: int, **values):
    return lab(lambda cells: cells[position - 1].metadata.nbgrader.update(values))


def inserted(position: int, cell):
    def change(files):
        files[LAB].cells.insert(position - 1, cell)
        for number, made in enumerate(files[LAB].cells):
            made.id = f"cell-{number}"
        for count, made in enumerate((c for c in files[LAB].cells if c.cell_type == "code"), start=1):
            made.execution_count = count

    return change


def removed(*positions: int):
    def change(files):
        cells = files[LAB].cells
        cells[:] = [cell for n, cell in enumerate(cells, start=1) if n not in positions]
        for count, made in enumerate((c for c in cells if c.cell_type == "code"), start=1):
            made.execution_count = count

    return change


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (
            marking(5, points=11),
            [
                "its points sum to 99; a lab has 100.",
                "its points sum to 99; course.toml gives week01 100.",
                "cell 4: the task of q1 says 12 points; its cells give 11.",
            ],
        ),
        (
            lambda files: files.update({LAB: files["lesson1_sums.ipynb"]}),
            ["' is not a lab: no cell in it earns points."],
        ),
        (
            removed(3, 4, 5),
            [
                "it has 7 questions; a lab has 8 to 12.",
                "its points sum to 88; a lab has 100.",
                "its points sum to 88; course.toml gives week01 100.",
            ],
        ),
        (
            marking(8, grade_id="other"),
            [
                "cell 8: 'other' belongs to no question",
                "cell 7: no cell of tests marks q2",
                "cell 7: the task of q2 says 12 points; its cells give 0.",
            ],
        ),
        (marking(8, grade_id="q2"), ["cell 8: the name 'q2' is used 2 times."]),
        (
            marking(8, schema_version=99),
            ["cell 8: nbgrader cannot read its marking: Schema version is too new"],
        ),
        (
            replaced(3, "(12 points)", ""),
            ["cell 4: the task of q1 does not say its points, as '(8 points)'."],
        ),
        (removed(1, 3), ["it has no title", "cell 2: no text before q1 says what the task is."]),
        (
            lab(lambda cells: cells[3].update(source="def plus_1(x):\n    return x + 1")),
            ["cell 4: q1 has no '### BEGIN SOLUTION' and '### END SOLUTION' around its solution."],
        ),
        (
            replaced(4, "    ### END SOLUTION", ""),
            [
                "cell 4: q1 has no '### BEGIN SOLUTION'",
                "nbgrader cannot make a student version: no end solution statement found.",
            ],
        ),
        (
            replaced(4, "    ### BEGIN SOLUTION", "    if x: ### BEGIN SOLUTION"),
            ["cell 4: it is not valid Python."],
        ),
        (replaced(5, ", 'Nothing plus 1 is 1'", ""), ["cell 5: the assertion in line 1 has no message."]),
        (replaced(5, "'Negative too'", "''"), ["cell 5: the assertion in line 3 has no message."]),
        (
            replaced(
                5,
                "assert plus_1(0) == 1, ",
                "import numpy as np\nnp.testing.assert_allclose(plus_1(0), 1)  #",
            ),
            ["cell 5: the assertion in line 2 has no message."],
        ),
        (replaced(5, "### BEGIN HIDDEN TESTS\n", ""), ["cell 5: q1 has no hidden test"]),
        (
            replaced(5, "HIDDEN TESTS", "HIDEN TESTS"),
            [
                "cell 5: q1 has no hidden test ('### BEGIN HIDDEN TESTS').",
                "cell 5: '### BEGIN HIDEN TESTS' is left in the student version: check its spelling.",
            ],
        ),
        (
            replaced(5, "### END HIDDEN TESTS", ""),
            ["nbgrader cannot make a student version: No end hidden tests statement found."],
        ),
        (replaced(5, "assert plus_1(0) == 1, ", "#"), ["cell 5: q1 has no visible test."]),
        (removed(26), ["cell 25: no rubric follows q8 in the next cell."]),
        (
            lab(lambda cells: cells[24].update(cell_type="code", outputs=[], execution_count=16, source="1")),
            ["no question is prose that a person marks."],
        ),
        (
            replaced(23, "tracking.last_run('week01')", "True"),
            ["no test reads back what a learner logged to MLflow."],
        ),
        (
            replaced(8, "assert plus_2(0) == 2", "assert plus_2(0) == plus_1(1)"),
            ["cell 8: 'q2_test' uses 'plus_1', which comes from the answer to q1: test each on its own."],
        ),
        (
            replaced(7, "x + 2", "plus_1(x) + 1"),
            ["cell 7: 'q2' uses 'plus_1', which comes from the answer to q1: test each on its own."],
        ),
        (
            inserted(21, code("def plus_1_again(x):\n    return plus_1(x)")),
            [],
        ),
        (
            inserted(
                6, text("```python\nq1_sum = x + 1\nreturn q1_sum  # a long line, to be known again\n```")
            ),
            ["cell 6: it shows what cell 4 hides: 'q1_sum = x + 1'."],
        ),
    ],
)
def test_a_broken_rule_gives_its_sentences_with_their_place(problems_of, change, sentences):
    problems = [
        problem.removeprefix(LAB).removeprefix(", ").removeprefix(": ") for problem in problems_of(change)
    ]
    print("\n".join(problems))
    assert len(problems) == len(sentences), problems
    for problem, sentence in zip(problems, sentences, strict=True):
        assert sentence in problem


def test_an_answer_must_not_feed_another_questions_tests_through_a_cell_between(problems_of):
    def change(files):
        inserted(6, code("start = plus_1(0)"))(files)
        replaced(9, "assert plus_2(0) == 2", "assert plus_2(start) == 3")(files)

    assert problems_of(change) == [
        "lab.ipynb, cell 9: 'q2_test' uses 'start', which comes from the answer to q1: test each on its own."
    ]
