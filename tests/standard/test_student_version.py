"""What a learner finds in place of a solution."""

from civicml.assignment import CODE_STUB, student_version

from .conftest import code, lab, marked, notebook


def student_cell(source: str) -> str:
    cells = lab()
    cells[3] = marked(code(source), "q1", solution=True)
    return student_version(notebook(cells)).cells[3].source


SOLUTION = "def plus_1(x):\n    ### BEGIN SOLUTION\n    return x + 1\n    ### END SOLUTION"


def test_the_solution_is_replaced_by_a_line_that_raises_and_says_what_to_do():
    assert student_cell(SOLUTION) == f"def plus_1(x):\n    {CODE_STUB}"


def test_a_cell_that_raises_in_its_own_words_keeps_them_and_gets_no_others():
    hint = "    raise NotImplementedError('q1: begin with x')"
    shown = student_cell(f"{SOLUTION}\n{hint}")
    assert shown.endswith(hint)
    assert shown.count("raise") == 1
    assert "return" not in shown


def test_a_solution_that_raises_inside_its_region_still_gets_the_stub():
    solution = SOLUTION.replace("return x + 1", "raise NotImplementedError('the secret')")
    assert student_cell(solution) == f"def plus_1(x):\n    {CODE_STUB}"
