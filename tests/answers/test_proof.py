"""Proving a bank: every answer is handed in and graded by nbgrader."""

import pytest

from civicml.autograder.proof import prove
from civicml.errors import CivicmlError
from civicml.rehearsal import rehearse, rehearse_with_engine, scratch_cohort

from .conftest import answer, checks, lab, solution


def proof_of(course, **options):
    with scratch_cohort(course) as cohort, rehearse(cohort, course.weeks[0]) as rehearsal:
        return prove(course, course.weeks[0], rehearsal.grade, **options)


def test_a_bank_that_holds_is_proved_with_as_few_submissions_as_one_question_has_answers(tiny_course):
    told = []
    proof = proof_of(tiny_course(), report=lambda done, planned: told.append((done, planned)))
    assert proof.problems == []
    assert proof.holds
    assert [
        (q.question, q.points, q.right_held, q.right, q.wrong_held, q.wrong) for q in proof.questions
    ] == [
        ("q1", 4, 2, 2, 4, 4),
        ("q2", 4, 2, 2, 4, 4),
        ("q3", 2, 1, 1, 0, 0),
    ]
    assert proof.submissions == 8  # six packed, the reference solution, the untouched lab
    assert told == [(done, 8) for done in range(1, 9)]


def test_answers_that_earn_something_else_than_the_bank_says_are_named_and_no_others(tiny_course):
    course = tiny_course(
        files={
            "q1/right_builtin.py": answer("the built-in", "total = sum"),
            "q1/right_text.py": answer("not a number", "def total(values): return str(sum(values))"),
            "q1/wrong_accepted.py": answer("is right after all", "total = sum", loses={"q1_hidden": 3}),
            "q1/wrong_spoils.py": answer(
                "reuses a name", "total = sum", "numbers = [2]", loses={"q1_visible": 1}
            ),
            "q2/wrong_min.py": answer("the wrong end", "largest = min", loses={"q2_test": 2.5}),
            "q3/right_memo.md": "<!-- why: says who acts -->\n\nThe manager phones forty people.\n",
            "q3/wrong_memo.md": "<!-- why: says nothing -->\n<!-- loses: q3 = 2 -->\n\nIt depends.\n",
        },
        only="no other file",
    )
    proof = proof_of(course)
    assert not proof.holds
    assert sorted(map(str, proof.disagreements)) == [
        "q1/right_text.py: q1_hidden should earn its 3 points, but lost 3. "
        "The test said: AssertionError: Zero alone adds up to zero",
        "q1/right_text.py: q1_visible should earn its 1 point, but lost 1. "
        "The test said: AssertionError: 1 + 2 is 3, not 3",
        "q1/wrong_accepted.py: q1_hidden should lose 3 of 3 points, but lost none.",
        "q1/wrong_spoils.py: q1_visible should lose 1 of 1 point, but lost none.",
        "q1/wrong_spoils.py: q2_test should earn its 4 points, but lost 4. "
        "The test said: AssertionError: Of 3, 1 and 2 the largest is 3",
        "q2/wrong_min.py: q2_test should lose 2.5 of 4 points, but lost 4. "
        "The test said: AssertionError: Of 1 and 2 the larger is 2",
        "q3/wrong_memo.md: q3 should lose 2 of 2 points, but it awaits a person's marks.",
    ]
    assert [(q.question, q.right_held, q.right, q.wrong_held, q.wrong) for q in proof.questions] == [
        ("q1", 1, 2, 0, 2),
        ("q2", 0, 0, 0, 1),
        ("q3", 1, 1, 0, 1),
    ]


def test_an_answer_that_feeds_another_questions_tests_is_named_with_the_one_it_spoils(tiny_course):
    course = tiny_course(
        files={
            "q1/right_sorts.py": answer("sorts what was given", "numbers.sort()", "total = sum"),
            "q2/right_builtin.py": answer("the built-in", "largest = max"),
            "q2/wrong_last.py": answer(
                "thinks they are sorted", "def largest(values): return values[-1]", loses={"q2_test": 4}
            ),
            "q3/right_memo.md": "<!-- why: says who acts -->\n\nThe manager phones forty people.\n",
        },
        only="no other file",
    )
    # On its own, [3, 1, 2] catches who takes the last for the largest; sorted by another answer, it does not.
    assert [str(disagreement) for disagreement in proof_of(course).disagreements] == [
        "q2/wrong_last.py is marked as it should be alone, but not beside q1/right_sorts.py: one question's "
        "answer must not feed another's tests: q2_test should lose 4 of 4 points, but lost none."
    ]


def test_a_lab_whose_own_solution_or_untouched_version_is_marked_wrongly_is_caught(tiny_course):
    cells = lab()
    cells["q1"] = solution(
        "q1", "def total(values):\n    ### BEGIN SOLUTION\n    return 3\n    ### END SOLUTION"
    )
    cells["q1_visible"] = checks("q1_visible", 1, "assert True, 'This test asks for nothing'")
    course = tiny_course(
        cells, {"q1/right_builtin.py": answer("the built-in", "total = sum")}, only="no file"
    )
    assert sorted(map(str, proof_of(course).disagreements)) == [
        "the lab's own solution: q1_hidden should earn its 3 points, but lost 3. "
        "The test said: AssertionError: Zero alone adds up to zero",
        "the untouched lab: q1_visible should earn nothing before any work is done, but lost none.",
    ]


def test_a_question_that_does_not_exist_is_refused(tiny_course):
    with pytest.raises(CivicmlError, match="week01 has no question called 'q9'; it has q1, q2, q3"):
        proof_of(tiny_course(), questions=["q9"])


def test_the_engine_proves_the_same_of_a_bank_that_holds_and_of_one_that_does_not(tiny_course):
    wrong = answer("is right after all", "total = sum", loses={"q1_hidden": 3})
    text = answer("not a number", "def total(values): return str(sum(values))")
    untouched = "<!-- why: not begun -->\n<!-- loses: q3 = 2 -->\n\nYOUR ANSWER HERE\n"
    files = {"q1/wrong_accepted.py": wrong, "q1/right_text.py": text, "q3/wrong_not_begun.md": untouched}
    course = tiny_course(files=files)
    by_nbgrader = proof_of(course)
    with scratch_cohort(course) as cohort, rehearse_with_engine(cohort, course.weeks[0], 2) as rehearsal:
        by_engine = prove(course, course.weeks[0], rehearsal.grade)
    assert by_engine.questions == by_nbgrader.questions
    assert sorted(map(str, by_engine.disagreements)) == sorted(map(str, by_nbgrader.disagreements))
    assert len(by_engine.disagreements) == 3
