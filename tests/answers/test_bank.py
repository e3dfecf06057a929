"""What a file of the answer bank may say."""

from pathlib import Path

import pytest

from civicml.assignment import read_assignment
from civicml.autograder.answers import BANK, read_bank
from civicml.errors import CivicmlError


@pytest.fixture
def read(tiny_course):
    """Writes the bank with some files changed, and reads it: (bank, problems without the long path)."""

    def reading(**files: str | None):
        course = tiny_course(files={name.replace("__", "/", 1): text for name, text in files.items()})
        folder = course.root / BANK / "week01"
        bank = read_bank(folder, read_assignment(course.folder(course.weeks[0]) / "lab.ipynb"))
        return bank, [problem.removeprefix(f"{folder}/") for problem in bank.problems]

    return lambda files=None: reading(**(files or {}))


def test_an_answer_is_its_header_and_the_text_that_replaces_the_cell(read):
    bank, problems = read()
    assert problems == []
    constant = next(answer for answer in bank.of("q1", "wrong") if answer.path.stem == "wrong_constant")
    assert constant.why == "passes what it can see"
    assert constant.loses == {"q1_hidden": 3}
    assert constant.source == "def total(values): return 3"
    (memo,) = bank.of("q3")
    assert (memo.why, memo.source) == ("says who acts", "The manager phones forty people.")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("q2/wrong_extra.py", "largest = min", "line 1: it must begin with '# why: '"),
        ("q2/wrong_extra.py", "# why:\n\nlargest = min", "line 1: it must begin with '# why: '"),
        ("q2/wrong_extra.py", "# why: a\n# why: b\n\nx = 1", "line 2: there is a second 'why'"),
        ("q2/wrong_extra.py", "# why: a\n# looses: q2_test = 4\n\nx = 1", "line 2: the header holds lines"),
        ("q2/wrong_extra.py", "# why: a\n# then some prose\n\nx = 1", "line 2: the header holds lines"),
        (
            "q2/wrong_extra.py",
            "# why: a\n# loses: q2_test 4\n",
            "line 2: 'loses' is written '<cell> = <points>'",
        ),
        (
            "q2/wrong_extra.py",
            "# why: a\n# loses: q9 = 4\n",
            "line 2: the lab has no graded cell called 'q9'",
        ),
        (
            "q2/wrong_extra.py",
            "# why: a\n# loses: q2_test = 5\n",
            "line 2: it cannot lose 5 points at 'q2_test'",
        ),
        (
            "q2/wrong_extra.py",
            "# why: a\n# loses: q2_test = 0\n",
            "line 2: it cannot lose 0 points at 'q2_test'",
        ),
        (
            "q2/wrong_extra.py",
            "# why: a\n# loses: q2_test = 2\n# loses: q2_test = 2\n",
            "line 3: 'q2_test' is named twice",
        ),
        ("q2/wrong_extra.py", "# why: a\n\nx = 1", "line 1: a wrong answer must lose something"),
        ("q2/right_extra.py", "# why: a\n# loses: q2_test = 4\n", "line 2: a right answer loses nothing"),
        ("q2/maybe_extra.py", "# why: a\n", "an answer to q2 is called 'right_<name>.py'"),
        ("q2/right_extra.md", "# why: a\n", "an answer to q2 is called 'right_<name>.py'"),
        ("q3/right_extra.py", "# why: a\n", "an answer to q3 is called 'right_<name>.md'"),
        ("q9/right_extra.py", "# why: a\n", "the lab has no question called 'q9'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(read, name, text, sentence):
    _, problems = read({name: text})
    assert len(problems) == 1
    assert problems[0].startswith(name.split("/")[0])
    assert sentence in problems[0]


def test_a_question_needs_two_right_and_four_wrong_answers(read):
    _, problems = read({"q1/right_loop.py": None, "q2/wrong_min.py": None})
    assert problems == [
        "q1: a question needs at least 2 right answers; q1 has 1.",
        "q2: a question needs at least 4 wrong answers; q2 has 3.",
    ]


def test_prose_needs_no_answers(read):
    assert read({"q3/right_memo.md": None})[1] == []


def test_a_week_without_a_bank_says_so(tmp_path: Path, tiny_course):
    course = tiny_course()
    lab = read_assignment(course.folder(course.weeks[0]) / "lab.ipynb")
    with pytest.raises(CivicmlError, match="There is no answer bank at"):
        read_bank(tmp_path / "elsewhere", lab)
