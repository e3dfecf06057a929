"""Rules for a lab: questions that tests can mark, and a student version that gives nothing away.

They read the instructor's version and the student version that nbgrader makes of it. They
must not know how submissions are graded.
"""

import ast
import re
import symtable
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from civicml.assignment import Assignment, Question, marking_of, student_version
from civicml.course import Week
from civicml.errors import CivicmlError
from civicml.standard.notebooks import plain_python, syntax
from civicml.standard.sheet import Problem, Sheet

if TYPE_CHECKING:
    from nbformat import NotebookNode

FEWEST_QUESTIONS, MOST_QUESTIONS = 8, 12
POINTS = 100

_STATED = re.compile(r"\((\d+(?:\.\d+)?) points?\b[^)]*\)")
_LEFTOVER = re.compile(r"#+ *(?:BEGIN|END) +[A-Z]+.*|#+ *(?:SOLUTION|HIDDEN)\b.*")
_BEGIN, _END = "BEGIN SOLUTION", "END SOLUTION"
_HIDDEN_BEGIN, _HIDDEN_END = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
_PASSAGE, _TELLING = 3, 60
"""As many hidden lines in a row, with as many characters, were copied if they turn up again."""


def check_lab(sheet: Sheet, lab: Assignment, week: Week) -> Iterator[Problem]:
    """Every rule of a lab, beyond those of any notebook."""
    unreadable = list(check_marking(sheet))
    yield from unreadable
    yield from check_questions(sheet, lab)
    yield from check_points(sheet, lab, week)
    yield from check_tasks(sheet, lab)
    yield from check_solutions(sheet, lab)
    yield from check_tests(sheet, lab)
    yield from check_prose(sheet, lab)
    yield from check_tracking(sheet, lab)
    yield from check_independence(sheet, lab)
    if not unreadable:  # nbgrader would refuse it for the same reason, in other words
        yield from check_student_version(sheet, lab)


def check_marking(sheet: Sheet) -> Iterator[Problem]:
    """The metadata that nbgrader reads is valid, and no name is used twice."""
    from jsonschema import ValidationError
    from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError

    names = Counter(marking_of(cell).get("grade_id") for _, cell in sheet.cells if marking_of(cell))
    seen: set[str] = set()
    for position, cell in sheet.cells:
        marking = marking_of(cell)
        if not marking:
            continue
        try:
            MetadataValidator().validate_cell(cell)
        except (ValidationError, SchemaTooNewError, SchemaTooOldError, KeyError) as error:
            reason = str(getattr(error, "message", error)).splitlines()[0].rstrip(".")
            yield sheet.problem(position, f"nbgrader cannot read its marking: {reason}.")
        name = str(marking.get("grade_id"))
        if names[name] > 1 and name in seen:
            yield sheet.problem(position, f"the name '{name}' is used {names[name]} times.")
        seen.add(name)


def check_questions(sheet: Sheet, lab: Assignment) -> Iterator[Problem]:
    """Eight to twelve questions; every graded cell belongs to one, every question is graded."""
    count = len(lab.questions)
    if not FEWEST_QUESTIONS <= count <= MOST_QUESTIONS:
        yield sheet.problem(
            None, f"it has {count} questions; a lab has {FEWEST_QUESTIONS} to {MOST_QUESTIONS}."
        )
    for cell in lab.unclaimed:
        yield sheet.problem(
            cell.position, f"'{cell.name}' belongs to no question: name it after one, such as 'q1_test'."
        )
    for question in lab.questions:
        if not question.marked_by:
            yield sheet.problem(question.position, f"no cell of tests marks {question.name}.")


def check_points(sheet: Sheet, lab: Assignment, week: Week) -> Iterator[Problem]:
    """The points sum to 100, and to what the course says."""
    for wanted, who in ((POINTS, "a lab has"), (week.points, f"course.toml gives {week.name}")):
        if lab.points != wanted:
            yield sheet.problem(None, f"its points sum to {lab.points:g}; {who} {wanted}.")
    for cell in lab.graded.values():
        if cell.points <= 0:
            yield sheet.problem(cell.position, f"'{cell.name}' is graded and earns no points.")


def check_tasks(sheet: Sheet, lab: Assignment) -> Iterator[Problem]:
    """Before each solution cell stands its task, which says the points that the marking gives."""
    for question in lab.questions:
        task = _task(sheet, question)
        stated = _STATED.findall(task)
        if not task:
            yield sheet.problem(question.position, f"no text before {question.name} says what the task is.")
        elif not stated:
            yield sheet.problem(
                question.position, f"the task of {question.name} does not say its points, as '(8 points)'."
            )
        elif sum(map(float, stated)) != question.points:
            yield sheet.problem(
                question.position,
                f"the task of {question.name} says {sum(map(float, stated)):g} points; its cells give "
                f"{question.points:g}.",
            )


def _task(sheet: Sheet, question: Question) -> str:
    """The text between the question's cell and the marked cell before it."""
    texts = []
    for cell in reversed(sheet.notebook.cells[: question.position - 1]):
        if marking_of(cell).get("grade") or marking_of(cell).get("solution"):
            break
        if cell.cell_type == "markdown":
            texts.append(cell.source)
    return "\n".join(reversed(texts))


def check_solutions(sheet: Sheet, lab: Assignment) -> Iterator[Problem]:
    """The reference solution is fenced, and what is left without it raises NotImplementedError."""
    for question in lab.questions:
        cell = _cell(sheet, question)
        if question.manual or cell.cell_type != "code":
            continue
        if _BEGIN not in cell.source or _END not in cell.source:
            yield sheet.problem(
                question.position,
                f"{question.name} has no '### {_BEGIN}' and '### {_END}' around its solution.",
            )


def check_tests(sheet: Sheet, lab: Assignment) -> Iterator[Problem]:
    """Some tests are seen and some hidden, and every assertion tells the learner what to look at."""
    for question in lab.questions:
        cells = [
            (graded.position, sheet.notebook.cells[graded.position - 1])
            for graded in question.marked_by
            if not graded.manual
        ]
        if not cells:
            continue
        visible, hidden = zip(*(_parted(cell.source) for _, cell in cells), strict=True)
        if not any("assert" in text for text in visible):
            yield sheet.problem(cells[0][0], f"{question.name} has no visible test.")
        if not any("assert" in text for text in hidden):
            yield sheet.problem(cells[0][0], f"{question.name} has no hidden test ('### {_HIDDEN_BEGIN}').")
        for position, cell in cells:
            for line in _silent_assertions(cell.source):
                yield sheet.problem(position, f"the assertion in line {line} has no message.")


def _parted(source: str) -> tuple[str, str]:
    """The visible and the hidden lines of a cell of tests."""
    parts: tuple[list[str], list[str]] = ([], [])
    inside = False
    for line in source.splitlines():
        if _HIDDEN_BEGIN in line or _HIDDEN_END in line:
            inside = _HIDDEN_BEGIN in line
        else:
            parts[inside].append(line)
    return "\n".join(parts[0]), "\n".join(parts[1])


def _silent_assertions(source: str) -> Iterator[int]:
    """Lines of assertions that fail without a word: ``assert x``, ``assert_series_equal(a, b)``."""
    for node in ast.walk(syntax(source) or ast.Module([], [])):
        if isinstance(node, ast.Assert):
            if node.msg is None or (isinstance(node.msg, ast.Constant) and not str(node.msg.value).strip()):
                yield node.lineno
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            told = {keyword.arg for keyword in node.keywords} & {"err_msg", "msg", "obj", "message"}
            if re.fullmatch(r"assert_\w+", name) and not told and _from_testing(node, source):
                yield node.lineno


def _from_testing(call: ast.Call, source: str) -> bool:
    """Whether it is numpy's or pandas' own assertion, not one that the lab defines."""
    return "testing" in ast.unparse(call.func) or re.search(r"\btesting import\b", source) is not None


def check_prose(sheet: Sheet, lab: Assignment) -> Iterator[Problem]:
    """At least one question is prose that a person marks, with the rubric in the cell that follows."""
    prose = [q for q in lab.questions if q.manual and _cell(sheet, q).cell_type == "markdown"]
    if not prose:
        yield sheet.problem(None, "no question is prose that a person marks.")
    for question in prose:
        following = sheet.notebook.cells[question.position : question.position + 1]
        if not any(cell.cell_type == "markdown" and _is_rubric(cell) for cell in following):
            yield sheet.problem(question.position, f"no rubric follows {question.name} in the next cell.")


def _is_rubric(cell: "NotebookNode") -> bool:
    return "rubric" in cell.source.lower() or "rubric" in str(marking_of(cell).get("grade_id", ""))


def check_tracking(sheet: Sheet, lab: Assignment) -> Iterator[Problem]:
    """At least one question asks for something logged to MLflow, and its test reads it back."""
    sources = [
        sheet.notebook.cells[cell.position - 1].source for cell in lab.graded.values() if not cell.manual
    ]
    if not any(re.search(r"\bmlflow\b|\btracking\.", source) for source in sources):
        yield sheet.problem(None, "no test reads back what a learner logged to MLflow.")


def check_independence(sheet: Sheet, lab: Assignment) -> Iterator[Problem]:
    """One question's answer never feeds another question's tests, directly or through a cell between."""
    makers: dict[str, set[str]] = {}
    for position, cell in sheet.code:
        made, used = _names(cell.source)
        fed_by = {owner for name in used for owner in makers.get(name, ())}
        question = _question_at(lab, position)
        for owner in sorted(fed_by - {question.name}) if question else ():
            names = ", ".join(sorted(name for name in used if owner in makers.get(name, ())))
            yield sheet.problem(
                position,
                f"'{marking_of(cell).get('grade_id')}' uses '{names}', which comes from the answer to "
                f"{owner}: test each on its own.",
            )
        if not marking_of(cell).get("grade"):
            feeds = {question.name} if question else fed_by
            makers |= {name: feeds for name in made if feeds or name in makers}


def _question_at(lab: Assignment, position: int) -> Question | None:
    """The question whose solution or test is the cell at `position`."""
    for question in lab.questions:
        if position == question.position or any(cell.position == position for cell in question.marked_by):
            return question
    return None


def _names(source: str) -> tuple[set[str], set[str]]:
    """The global names that a cell makes, and those that it uses without making them."""
    try:
        table = symtable.symtable(plain_python(source), "cell", "exec")
    except (SyntaxError, ValueError):
        return set(), set()
    made = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        inner += scope.get_children()
        used |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
    return made, used - made


def check_student_version(sheet: Sheet, lab: Assignment) -> Iterator[Problem]:
    """A student version can be made that opens, whose stubs raise, and that gives nothing away."""
    from nbformat import ValidationError
    from nbformat.validator import validate

    try:
        student = student_version(sheet.notebook)
        validate(student)
    except CivicmlError as error:
        yield sheet.problem(None, str(error))
        return
    except ValidationError as error:
        yield sheet.problem(None, f"its student version does not open: {str(error).splitlines()[0]}.")
        return
    for question in lab.questions:
        stub = student.cells[question.position - 1]
        if stub.cell_type == "code" and not question.manual and not _raises_with_message(stub.source):
            yield sheet.problem(
                question.position,
                f"what learners get of {question.name} does not raise NotImplementedError with a message.",
            )
    for position, cell in enumerate(student.cells, start=1):
        left = _LEFTOVER.search(cell.source) if cell.cell_type == "code" else None
        if left:
            yield sheet.problem(position, f"'{left[0]}' is left in the student version: check its spelling.")
    yield from _check_copies(sheet, student)


def _check_copies(sheet: Sheet, student: "NotebookNode") -> Iterator[Problem]:
    """Nothing that one cell hides is shown word for word by another."""
    for position, passage in _hidden_passages(sheet):
        for other, cell in enumerate(student.cells, start=1):
            if passage in _squeezed(cell.source.splitlines()):
                first = passage.strip().splitlines()[0]
                yield sheet.problem(other, f"it shows what cell {position} hides: '{first}'.")


def _raises_with_message(source: str) -> bool:
    return any(
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and getattr(node.exc.func, "id", "") == "NotImplementedError"
        and any(isinstance(given, ast.Constant) and str(given.value).strip() for given in node.exc.args)
        for node in ast.walk(syntax(source) or ast.Module([], []))
    )


def _hidden_passages(sheet: Sheet) -> Iterator[tuple[int, str]]:
    """Runs of hidden lines that are long enough to be known again, with their cell's position."""
    for position, cell in sheet.cells:
        hidden: list[str] = []
        inside = False
        for line in cell.source.splitlines():
            if any(mark in line for mark in (_BEGIN, _END, _HIDDEN_BEGIN, _HIDDEN_END)):
                inside = _BEGIN in line or _HIDDEN_BEGIN in line
            elif inside:
                hidden.append(line)
        lines = _squeezed(hidden).strip("\n").split("\n")
        for start in range(max(1, len(lines) - _PASSAGE + 1)):
            passage = "\n".join(["", *lines[start : start + _PASSAGE], ""])
            if len(passage) >= _TELLING:
                yield position, passage
                break


def _squeezed(lines: Iterable[str]) -> str:
    """Lines without indents, blank ones left out, each between two line ends."""
    return "\n".join(["", *(line.strip() for line in lines if line.strip()), ""])


def _cell(sheet: Sheet, question: Question) -> "NotebookNode":
    cell: NotebookNode = sheet.notebook.cells[question.position - 1]
    return cell
