"""Rules for a README: each is broken once and gives its own sentence."""

import pytest


def replaced(old: str, new: str):
    def change(files):
        assert old in files["README.md"][0]
        files["README.md"][0] = files["README.md"][0].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (replaced("# Week 1: tiny", "Week 1"), "it has no title"),
        (replaced("## Hours", "### Time"), "the section '## Hours' is missing."),
        (replaced("## For instructors", "## For teachers"), "the section '## For instructors' is missing."),
        (
            replaced("Does it add up?", "Does it?"),
            "it does not state the question in course.toml: 'Does it add up?'",
        ),
        (replaced("- Add numbers", ""), "it does not state the outcome in course.toml: 'Add numbers'."),
        (replaced("6.5 hours", "6 hours"), "it does not state the 6.5 hours in course.toml."),
        (replaced("6.5 hours", "16.5 hours"), "it does not state the 6.5 hours in course.toml."),
        (replaced("Notes.", "See /home/ada/notes."), "'/home/ada' is a path of one machine."),
        (
            replaced("**5. What", "**What"),
            "the quiz has questions '**1. …**' to '**5. …**'; found 1, 2, 3, 4.",
        ),
        (
            replaced("**2. What", "**6. What"),
            "the quiz has questions '**1. …**' to '**5. …**'; found 1, 6, 3, 4, 5.",
        ),
        (replaced("- A. 3\n- B. 4\n- C. 5", "- A. 3\n- B. 4"), "question 3 of the quiz has 2 options"),
        (
            replaced(
                "- C. 3\n\n<details><summary>Answer</summary>\n\n- A. That is the number itself.",
                "- C. 3\n\n<details>\n",
            ),
            "question 1 of the quiz does not explain option A.",
        ),
        (
            replaced(
                "- C. 3\n\n<details><summary>Answer</summary>\n\n- A. That",
                "- C. 3\n\n<details>\n\n- A. Right. That",
            ),
            "question 1 of the quiz should call one option 'Right.'; it calls 2 so.",
        ),
    ],
)
def test_a_broken_rule_gives_one_sentence(problems_of, change, sentence):
    problems = problems_of(change)
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"README.md: {sentence}")


def test_a_readme_without_a_quiz_is_named(problems_of):
    def change(files):
        text = files["README.md"][0]
        start, end = text.index("**1. What"), text.index("## For instructors")
        files["README.md"][0] = text[:start] + text[end:]

    assert problems_of(change) == ["README.md: the quiz has questions '**1. …**' to '**5. …**'; found none."]
