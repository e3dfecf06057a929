"""Rules for lessons: each is broken once and gives its own sentence."""

import pytest

from .conftest import code, printed, text

LESSON = "lesson2_sums.ipynb"


def source(position: int, new: str):
    return lambda files: files[LESSON].cells[position - 1].update(source=new)


def swapped(files):
    cells = files[LESSON].cells
    cells[8], cells[9] = cells[9], cells[8]


def twice(files):
    files[LESSON].cells.append(text("## Take away\n\n- One\n- Two\n- Three"))


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (source(10, "## Take-away\n\n- One\n- Two\n- Three"), ["the section '## Take away' is missing."]),
        (twice, ["the section '## Take away' is there 2 times."]),
        (swapped, ["cell 9: the section '## Take away' comes too early: '## Try it' goes before it."]),
        (
            source(2, "## What you will learn\n\n- Add\n- Check"),
            ["cell 2: 'What you will learn' should list 3 outcomes; it lists 2."],
        ),
        (
            source(10, "## Take away\n\n- One\n- Two\n- Three\n- Four"),
            ["cell 10: 'Take away' should list 3 lines; it lists 4."],
        ),
        (
            source(11, "## Go further\n\n- A book, a publisher, 2020"),
            ["cell 11: 'Go further' should list 2 or 3 sources; it lists 1."],
        ),
        (
            source(11, "## Go further\n\n- A book, a publisher\n- A report, 2021"),
            ["cell 11: 'A book, a publisher' names no year; give title, publisher and year."],
        ),
        (source(9, "## Try it\n\nAdd three."), ["cell 9: 'Try it' has no folded solution"]),
        (
            source(3, "## Why a department cares\n\nBecause."),
            ["it has 41 words of prose; a lesson has 700 to 1,400."],
        ),
        (
            source(3, "## Why a department cares\n\n" + "And more of it. " * 400),
            ["it has 1640 words of prose; a lesson has 700 to 1,400."],
        ),
    ],
)
def test_a_broken_rule_gives_one_sentence_with_its_place(problems_of, change, sentences):
    problems = problems_of(change)
    assert len(problems) == len(sentences), problems
    for problem, sentence in zip(problems, sentences, strict=True):
        place, found = problem.split(": ", 1)
        assert place.split(",")[0] == LESSON
        assert f"{place.removeprefix(LESSON).removeprefix(', ')}: {found}".lstrip(": ").startswith(sentence)


def test_a_solution_may_be_folded_as_a_code_cell_that_is_shut(problems_of):
    def change(files):
        cells = files[LESSON].cells
        cells[8].source = "## Try it\n\nAdd three."
        solution, reading = cells[4:6]
        solution.metadata["jupyter"] = {"source_hidden": True}
        cells[:] = [*cells[:4], *cells[6:9], solution, reading, *cells[9:]]
        solution.execution_count, cells[4].execution_count = 2, 1

    assert problems_of(change) == []


def with_code(files, *sources: str):
    """Puts further cells with an output after the lesson's first one."""
    cells = files[LESSON].cells
    cells[5:5] = [code(source, printed("3\n")) for source in sources]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), start=1):
        cell.execution_count = count


def test_one_passage_may_read_two_outputs_but_not_three(problems_of):
    assert problems_of(lambda files: with_code(files, "print(3)")) == []


def test_three_outputs_in_a_row_are_too_many_for_one_passage(problems_of):
    assert problems_of(lambda files: with_code(files, "print(3)", "print(3)")) == [
        f"{LESSON}, cell 5: 3 outputs stand in a row from here, and no sentence between them says "
        "what they show."
    ]


def test_what_writing_a_file_prints_needs_no_reading(problems_of):
    assert problems_of(lambda files: with_code(files, "%%writefile sums.py\n3", "print(3)")) == []


def test_an_output_at_the_end_must_be_read_too(problems_of):
    def change(files):
        files[LESSON].cells.append(code("print(3)", printed("3\n")))
        files[LESSON].cells[-1].execution_count = 3

    assert problems_of(change) == [f"{LESSON}, cell 12: no sentence follows its output to say what it shows."]
