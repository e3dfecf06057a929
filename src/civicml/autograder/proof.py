"""Proves an answer bank: graders are tested before learners are.

Every answer is handed in, and its marks are held against what the bank says of it. It
must not know how a submission is run and marked: it is given a function that does.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from civicml.assignment import NOTEBOOK, Assignment, GradedCell, Question, read_assignment, solution_cells
from civicml.autograder.answers import BANK, Answer, Bank, read_bank
from civicml.course import Course, Week
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbformat import NotebookNode

Report = Callable[[int, int], None]
"""Called with (submissions graded so far, submissions to grade)."""


@dataclass(frozen=True)
class Submission:
    """What one made-up learner hands in."""

    name: str
    sources: Mapping[str, str] | None
    """New text for solution cells, by name; None: the lab as it was released."""


@dataclass(frozen=True)
class Mark:
    """What a graded cell earned."""

    points: float | None
    """None: awaits a person's marks."""
    message: str
    """What the cell said when it failed; empty when it did not."""


Marks = Mapping[str, Mark]
"""By the name of the graded cell."""
Grade = Callable[[Sequence[Submission], Callable[[], None]], list[Marks]]
"""Runs and marks submissions, calling its second argument after each; marks come back in order."""

REFERENCE = "the lab's own solution"
UNTOUCHED = "the untouched lab"

_CLOSE = 1e-6
_MESSAGE_LENGTH = 300


@dataclass(frozen=True)
class Disagreement:
    """A graded cell that gave something else than the bank says.

    ``None`` points mean: awaits a person's marks.
    """

    answer: Answer | None
    """Who is to blame; None for the lab's own solutions and for the untouched lab."""
    subject: str
    cell: str
    worth: float
    expected: float | None
    got: float | None
    message: str

    def __str__(self) -> str:
        said = f" The test said: {self.message}" if self.message else ""
        return f"{self.subject}: {self.cell} should {self._should}, but {self._did}.{said}"

    @property
    def _should(self) -> str:
        if self.expected is None:
            return "await a person's marks"
        lost = self.worth - self.expected
        if self.expected == 0 and self.answer is None:
            return "earn nothing before any work is done"
        points = "point" if self.worth == 1 else "points"
        return f"lose {lost:g} of {self.worth:g} {points}" if lost else f"earn its {self.worth:g} {points}"

    @property
    def _did(self) -> str:
        if self.got is None:
            return "it awaits a person's marks"
        lost = self.worth - self.got
        return f"lost {lost:g}" if lost else "lost none"


@dataclass(frozen=True)
class QuestionProof:
    """How many of a question's answers earned exactly what the bank says."""

    question: str
    points: float
    manual: bool
    right: int
    right_held: int
    wrong: int
    wrong_held: int


@dataclass(frozen=True)
class Proof:
    """What proving a lab's bank found out."""

    week: str
    questions: tuple[QuestionProof, ...]
    bank_problems: tuple[str, ...]
    disagreements: tuple[Disagreement, ...]
    submissions: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Every answer earned what the bank says, and no rule of the bank is broken."""
        return not self.bank_problems and not self.disagreements

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, one sentence each."""
        return [*self.bank_problems, *(str(disagreement) for disagreement in self.disagreements)]


def prove(
    course: Course,
    week: Week,
    grade: Grade,
    *,
    questions: Sequence[str] = (),
    alone: bool = False,
    report: Report | None = None,
) -> Proof:
    """Hand in every answer of a week's bank and hold the marks against what the bank says.

    Because one question's answer must not feed another's tests, a submission carries an answer
    to every question at once. Only where a submission's marks disagree are its answers handed in
    one by one, to tell which is to blame; an answer that is right alone and wrong in company
    breaks the rule itself, and is reported as that.

    Args:
        course: the course, for where the lab and the bank are.
        week: which lab.
        grade: runs and marks submissions of the lab, as :class:`civicml.rehearsal.Rehearsal` does.
        questions: prove these alone; all when empty.
        alone: hand in each answer by itself from the start; slower, trusts no independence.
        report: called as submissions are graded.

    Raises:
        CivicmlError: the lab or the bank is missing, or there is no question of that name.
    """
    began = time.monotonic()
    assignment = read_assignment(course.folder(week) / f"{NOTEBOOK}.ipynb")
    unknown = [name for name in questions if assignment.question(name) is None]
    if unknown:
        known = ", ".join(question.name for question in assignment.questions)
        raise CivicmlError(f"{week.name} has no question called '{unknown[0]}'; it has {known}.")
    bank = read_bank(course.root / BANK / week.name, assignment)
    chosen = [a for a in bank.answers if not questions or a.question in questions]
    trial = _Trial(assignment, grade, report)
    disagreements = trial.run([[answer] for answer in chosen] if alone else pack(assignment, chosen))
    blamed = {d.answer.path for d in disagreements if d.answer}
    return Proof(
        week.name,
        tuple(
            _tally(question, bank, blamed) for question in assignment.questions if _asked(question, questions)
        ),
        bank.problems,
        tuple(disagreements),
        trial.submissions,
        time.monotonic() - began,
    )


def _asked(question: Question, questions: Sequence[str]) -> bool:
    return not questions or question.name in questions


def _tally(question: Question, bank: Bank, blamed: set[Path]) -> QuestionProof:
    right, wrong = bank.of(question.name, "right"), bank.of(question.name, "wrong")
    return QuestionProof(
        question.name,
        question.points,
        question.manual,
        len(right),
        sum(answer.path not in blamed for answer in right),
        len(wrong),
        sum(answer.path not in blamed for answer in wrong),
    )


def pack(assignment: Assignment, answers: Sequence[Answer]) -> list[list[Answer]]:
    """Share the answers out over as few submissions as there are answers to one question.

    Each question's answers begin one submission later than those of the question before, so
    that wrong answers meet right ones elsewhere: two wrong ones could hide that one spoils
    the other's tests.
    """
    by_question = [[a for a in answers if a.question == question.name] for question in assignment.questions]
    count = max(map(len, by_question), default=0)
    packs: list[list[Answer]] = [[] for _ in range(count)]
    for turn, group in enumerate(by_question):
        for number, answer in enumerate(group):
            packs[(number + turn) % count].append(answer)
    return packs


class _Trial:
    """The submissions of one proof: hands them in, compares, and finds who is to blame."""

    def __init__(self, assignment: Assignment, grade: Grade, report: Report | None) -> None:
        self.assignment = assignment
        self.grade = grade
        self.report = report
        self.submissions = 0
        self._planned = 0
        self._unfit: set[str] = set()
        self._alone: dict[Path, list[Disagreement]] = {}

    def run(self, packs: Sequence[Sequence[Answer]]) -> list[Disagreement]:
        blank = Submission("blank", None)
        reference, untouched, *marks = self._grade(
            [self._submission([]), blank, *(self._submission(answers) for answers in packs)]
        )
        found = self._differences(REFERENCE, [], reference)
        # A cell that fails the lab's own solution says nothing of any answer.
        self._unfit = {disagreement.cell for disagreement in found}
        found += self._blank_differences(untouched)
        open_cells: list[tuple[Sequence[Answer], list[Disagreement]]] = []
        for answers, got in zip(packs, marks, strict=True):
            differences = self._differences("", answers, got)
            if len(answers) == 1:
                only = answers[0]
                self._alone[only.path] = self._differences(only.label, answers, got)
            elif differences:
                open_cells.append((answers, differences))
        found += self._explain(open_cells)
        return found

    def _explain(self, packs: list[tuple[Sequence[Answer], list[Disagreement]]]) -> list[Disagreement]:
        """Who is to blame for what disagreed in company: hand the answers in one by one."""
        nearest = [self._owner(answers, d.cell) for answers, differences in packs for d in differences]
        self._hand_in_alone([answer for answer in nearest if answer])
        packs = self._unexplained(packs)
        self._hand_in_alone([answer for answers, _ in packs for answer in answers])
        found = [d for differences in self._alone.values() for d in differences]
        for answers, differences in self._unexplained(packs):
            found += [self._interference(answers, difference) for difference in differences]
        return found

    def _unexplained(
        self, packs: list[tuple[Sequence[Answer], list[Disagreement]]]
    ) -> list[tuple[Sequence[Answer], list[Disagreement]]]:
        left = []
        for answers, differences in packs:
            known = {d.cell for answer in answers for d in self._alone.get(answer.path, ())}
            remaining = [d for d in differences if d.cell not in known]
            if remaining:
                left.append((answers, remaining))
        return left

    def _hand_in_alone(self, answers: Iterable[Answer]) -> None:
        wanted = list({a.path: a for a in answers if a.path not in self._alone}.values())
        for answer, marks in zip(wanted, self._grade([self._submission([a]) for a in wanted]), strict=True):
            self._alone[answer.path] = self._differences(answer.label, [answer], marks)

    def _interference(self, answers: Sequence[Answer], difference: Disagreement) -> Disagreement:
        """Right alone, wrong in company: find the one answer that spoils it, if one does."""
        owner = self._owner(answers, difference.cell)
        others = [answer for answer in answers if answer is not owner]
        spoilers = others
        if owner:
            marks = self._grade([self._submission([owner, other]) for other in others])
            pairs = zip(others, marks, strict=True)
            spoilers = [
                other
                for other, got in pairs
                if any(d.cell == difference.cell for d in self._differences("", [owner, other], got))
            ] or others
        company = ", ".join(answer.label for answer in spoilers)
        subject = (
            f"{owner.label if owner else REFERENCE} is marked as it should be alone, but not beside "
            f"{company}: one question's answer must not feed another's tests"
        )
        return replace(difference, answer=owner, subject=subject)

    def _owner(self, answers: Sequence[Answer], cell: str) -> Answer | None:
        for question in self.assignment.questions:
            if any(graded.name == cell for graded in question.marked_by):
                return next((answer for answer in answers if answer.question == question.name), None)
        return None

    def _differences(self, subject: str, answers: Sequence[Answer], marks: Marks) -> list[Disagreement]:
        found = []
        for cell in self.assignment.graded.values():
            expected, mark = _expected(cell, answers), marks.get(cell.name, Mark(0, "it was not graded"))
            if cell.name not in self._unfit and not _same(expected, mark.points):
                owner = answers[0] if len(answers) == 1 else None
                found.append(_disagreement(owner, subject, cell, expected, mark))
        return found

    def _blank_differences(self, marks: Marks) -> list[Disagreement]:
        return [
            _disagreement(None, UNTOUCHED, cell, 0.0, mark)
            for cell in self.assignment.graded.values()
            if not _same(0.0, (mark := marks.get(cell.name, Mark(0, ""))).points)
        ]

    def _submission(self, answers: Sequence[Answer]) -> Submission:
        sources = {
            name: reference_source(cell) for name, (_, cell) in solution_cells(self.assignment.notebook)
        }
        sources |= {answer.question: answer.source for answer in answers}
        name = "-".join(f"{a.question}.{a.path.stem}" for a in answers) or "reference"
        return Submission(name, sources)

    def _grade(self, submissions: Sequence[Submission]) -> list[Marks]:
        self._planned += len(submissions)

        def tell() -> None:
            self.submissions += 1
            if self.report:
                self.report(self.submissions, self._planned)

        return self.grade(submissions, tell) if submissions else []


def reference_source(cell: "NotebookNode") -> str:
    """A solution cell as the instructor wrote it, without nbgrader's markers."""
    lines = cell.source.split("\n")
    return "\n".join(line for line in lines if not re.search(r"(BEGIN|END) SOLUTION", line))


def _expected(cell: GradedCell, answers: Sequence[Answer]) -> float | None:
    lost = sum(answer.loses.get(cell.name, 0.0) for answer in answers)
    if cell.manual and not lost:
        return None
    return max(cell.points - lost, 0.0)


def _same(expected: float | None, got: float | None) -> bool:
    if expected is None or got is None:
        return expected is got
    return abs(expected - got) < _CLOSE


def _disagreement(
    answer: Answer | None, subject: str, cell: GradedCell, expected: float | None, mark: Mark
) -> Disagreement:
    message = " ".join(mark.message.split())
    if len(message) > _MESSAGE_LENGTH:
        message = message[: _MESSAGE_LENGTH - 1] + "…"
    return Disagreement(answer, subject, cell.name, cell.points, expected, mark.points, message)
