"""Rules for a week's README: what a learner reads first, and what an instructor needs.

They must not know what is in the notebooks.
"""

import re
from collections.abc import Iterator

from markdown_it.token import Token

from civicml.course import Week
from civicml.standard.sheet import Problem, Section, Sheet, list_items, paragraphs, plain_text

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

FEWEST_OPTIONS = 3
FEWEST_WORDS = 3
"""Words that explain an option."""

_QUESTION = re.compile(r"(\d+)\. \S")
_OPTION = re.compile(r"([A-F])\. (.+)", re.DOTALL)


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
    """Five questions with lettered options, each option explained, one of them right.

    A question is a paragraph ``**1. …?**``, a list of options ``- A. …``, and a folded list that
    goes through the same letters: ``- **B. Right.** …``.
    """
    questions = list(_quiz_questions(quiz))
    numbers = [number for number, _ in questions]
    if numbers != list(range(1, QUESTIONS + 1)):
        found = ", ".join(map(str, numbers)) or "none"
        yield sheet.problem(
            None, f"the quiz has questions '**1. …**' to '**{QUESTIONS}. …**'; found {found}."
        )
    for number, lists in questions:
        options, explained = (*map(_lettered, lists[:2]), {}, {})[:2]
        if len(options) < FEWEST_OPTIONS:
            yield sheet.problem(None, f"question {number} of the quiz has {len(options)} options ('- A. …').")
        for letter in options:
            if len(explained.get(letter, "").split()) < FEWEST_WORDS:
                yield sheet.problem(None, f"question {number} of the quiz does not explain option {letter}.")
        right = [letter for letter, text in explained.items() if text.startswith("Right")]
        if len(right) != 1:
            yield sheet.problem(
                None,
                f"question {number} of the quiz should call one option 'Right.'; it calls {len(right)} so.",
            )


def _quiz_questions(quiz: Section) -> Iterator[tuple[int, list[list[str]]]]:
    """The number of each question, and the lists of items that follow it."""
    number = 0
    lists: list[list[str]] = []
    pending: list[Token] = []
    depth = 0
    for token in quiz.tokens:
        depth += (token.type == "bullet_list_open") - (token.type == "bullet_list_close")
        if depth or token.type == "bullet_list_close":
            pending.append(token)
        if token.type == "bullet_list_close" and not depth:
            lists.append(list_items(pending))
            pending = []
        begins = _QUESTION.match(plain_text(token)) if token.type == "inline" and not depth else None
        if begins:
            if number:
                yield number, lists
            number, lists = int(begins[1]), []
    if number:
        yield number, lists


def _lettered(items: list[str]) -> dict[str, str]:
    """Items ``A. text`` by their letter."""
    return {match[1]: match[2] for item in items if (match := _OPTION.match(item))}


def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").split()).lower()
