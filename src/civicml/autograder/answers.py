"""The answer bank: for each question of a lab, right and wrong answers and what they earn.

Reads the files and holds them to the bank's own rules. It must not know how an answer
is run or marked: :mod:`civicml.autograder.proof` hands them in.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from civicml.assignment import Assignment, Question
from civicml.errors import CivicmlError

BANK = Path("autograder", "answers")
FEWEST = {"right": 2, "wrong": 4}
"""How many answers of each kind a question needs before its tests are trusted."""

Kind = Literal["right", "wrong"]

_FILE = re.compile(r"(right|wrong)_[a-z0-9_]+")
_HEADER = re.compile(r"(?:#|<!--)\s*(?P<key>[A-Za-z][\w-]*)\s*:\s*(?P<value>.*?)\s*(?:-->)?\s*")
_LOSS = re.compile(r"(?P<cell>[\w.-]+)\s*=\s*(?P<points>\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Answer:
    """One file of the bank: what a learner might write in a question's cell."""

    question: str
    kind: Kind
    path: Path
    why: str
    source: str
    loses: Mapping[str, float] = field(default_factory=dict)
    """Points lost, by graded cell; every other cell keeps its full marks."""

    @property
    def label(self) -> str:
        """What to call it in a sentence: ``q3/wrong_percent.py``."""
        return f"{self.question}/{self.path.name}"


@dataclass(frozen=True)
class Bank:
    """A lab's answers, and what is wrong with the files themselves."""

    answers: tuple[Answer, ...]
    problems: tuple[str, ...]

    def of(self, question: str, kind: Kind | None = None) -> list[Answer]:
        """The answers to `question`, right ones first."""
        return [a for a in self.answers if a.question == question and kind in (None, a.kind)]


def read_bank(folder: Path, assignment: Assignment) -> Bank:
    """Read every answer in `folder`, one folder a question, one file an answer.

    A file that cannot be used becomes a problem and the rest are read all the same.

    Raises:
        CivicmlError: there is no bank.
    """
    if not folder.is_dir():
        raise CivicmlError(f"There is no answer bank at '{folder}'.")
    answers: list[Answer] = []
    problems: list[str] = []
    for place in sorted(folder.iterdir()):
        if place.name.startswith((".", "__")):
            continue
        question = assignment.question(place.name) if place.is_dir() else None
        if question is None:
            problems.append(f"{place}: the lab has no question called '{place.name}'.")
            continue
        for path in sorted(place.iterdir()):
            try:
                answers.append(_read_answer(path, question, assignment))
            except _BadFileError as error:
                problems.append(str(error))
    problems += _too_few(folder, assignment, answers)
    return Bank(tuple(answers), tuple(problems))


class _BadFileError(Exception):
    """A file of the bank that cannot be used; the message says where and why."""

    def __init__(self, path: Path, line: int | None, problem: str) -> None:
        super().__init__(f"{path}{f', line {line}' if line else ''}: {problem}")


def _read_answer(path: Path, question: Question, assignment: Assignment) -> Answer:
    suffix = ".md" if _is_prose(question, assignment) else ".py"
    name = _FILE.fullmatch(path.stem)
    if not path.is_file() or path.suffix != suffix or name is None:
        raise _BadFileError(
            path,
            None,
            f"an answer to {question.name} is called 'right_<name>{suffix}' or 'wrong_<name>{suffix}'.",
        )
    kind: Kind = "right" if name[1] == "right" else "wrong"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise _BadFileError(path, None, "it is not UTF-8 text.") from None
    why = ""
    loses: dict[str, float] = {}
    length = 0
    for number, line in enumerate(lines, start=1):
        if not line.startswith(("#", "<!--")):
            break
        length = number
        entry = _HEADER.fullmatch(line)
        key = entry["key"] if entry else ""
        if entry is None or key not in ("why", "loses"):
            raise _BadFileError(
                path,
                number,
                "the header holds lines '# why: …' and '# loses: <cell> = <points>' and then a blank line; "
                f"found '{line.strip()}'.",
            )
        if key == "why":
            if why:
                raise _BadFileError(path, number, "there is a second 'why'; say it in one line.")
            why = entry["value"]
        else:
            cell, points = _read_loss(path, number, entry["value"], kind, assignment)
            if cell in loses:
                raise _BadFileError(path, number, f"'{cell}' is named twice.")
            loses[cell] = points
    if not why:
        raise _BadFileError(path, 1, "it must begin with '# why: ' and what a learner was thinking.")
    if kind == "wrong" and not loses and not question.manual:
        raise _BadFileError(path, 1, "a wrong answer must lose something: add '# loses: <cell> = <points>'.")
    return Answer(question.name, kind, path, why, "\n".join(lines[length:]).strip("\n"), loses)


def _read_loss(path: Path, line: int, text: str, kind: Kind, assignment: Assignment) -> tuple[str, float]:
    if kind == "right":
        raise _BadFileError(path, line, "a right answer loses nothing; take 'loses' out.")
    loss = _LOSS.fullmatch(text)
    if loss is None:
        raise _BadFileError(path, line, f"'loses' is written '<cell> = <points>'; found '{text}'.")
    cell, points = loss["cell"], float(loss["points"])
    graded = assignment.graded.get(cell)
    if graded is None:
        known = ", ".join(assignment.graded)
        raise _BadFileError(path, line, f"the lab has no graded cell called '{cell}'; it has {known}.")
    if not 0 < points <= graded.points:
        raise _BadFileError(
            path, line, f"it cannot lose {points:g} points at '{cell}', which is worth {graded.points:g}."
        )
    return cell, points


def _is_prose(question: Question, assignment: Assignment) -> bool:
    return bool(assignment.notebook.cells[question.position - 1].cell_type == "markdown")


def _too_few(folder: Path, assignment: Assignment, answers: Iterable[Answer]) -> list[str]:
    answers = list(answers)
    problems = []
    for question in assignment.questions:
        if question.manual:
            continue
        for kind, fewest in FEWEST.items():
            found = sum(a.question == question.name and a.kind == kind for a in answers)
            if found < fewest:
                problems.append(
                    f"{folder / question.name}: a question needs at least {fewest} {kind} answers; "
                    f"{question.name} has {found}."
                )
    return problems
