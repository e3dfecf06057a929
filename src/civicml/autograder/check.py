"""A learner's own visible tests, run as nbgrader's Validate button runs them and told kindly.

Needs nothing but the notebook. It must not know of hidden tests more than that they
exist, nor where runs are tracked.
"""

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from civicml.assignment import marking_of, read_notebook
from civicml.autograder.verdict import Result
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbformat import NotebookNode

CheckState = Literal["passed", "passed so far", "look again", "not answered", "a person marks it"]
"""*Passed so far*: hidden tests, of which nothing can be seen, decide over some of its points."""

_LONGEST_MESSAGE = 400
_STEPS = re.compile(r"Cell In\[\d+\], line (?P<line>\d+)(?:, in (?P<function>\w+)\()?")
_ANNOUNCED = re.compile(r"^\s*#.*\bhidden tests\b", re.IGNORECASE | re.MULTILINE)
_TITLE = re.compile(r"\*\*(?P<bold>\d+\..+?)\*\*|^#{1,6}\s+(?P<heading>.+?)\s*#*$", re.MULTILINE)
_WORST_FIRST: tuple[CheckState, ...] = (
    "look again",
    "not answered",
    "a person marks it",
    "passed so far",
    "passed",
)


@dataclass(frozen=True)
class CheckedQuestion:
    """What the visible tests say of one question."""

    name: str
    title: str
    """What it is called in the text above it, if anything."""
    points: float
    state: CheckState
    message: str
    """What to look at; empty when there is nothing."""


@dataclass(frozen=True)
class Check:
    """What the visible tests say of a notebook."""

    notebook: Path
    questions: tuple[CheckedQuestion, ...]
    remarks: tuple[str, ...]
    """What is wrong with the notebook as a whole, one sentence each: lost or changed cells, an early stop."""
    seconds: float
    no_sandbox: str = ""
    """Why it ran in no sandbox, as a sentence; empty where it did."""

    @property
    def points(self) -> float:
        """What the lab is worth."""
        return sum(question.points for question in self.questions)

    @property
    def passed(self) -> bool:
        """Whether there is nothing left to look at."""
        return not self.remarks and not any(q.state in ("look again", "not answered") for q in self.questions)


Run = Callable[["NotebookNode"], Result]
"""Runs a notebook, tests and all, in a sandbox."""


def check_notebook(
    path: Path, variables: Mapping[str, str], released: Path | None = None, run: Run | None = None
) -> Check:
    """Run a learner's notebook and say how each question stands. The file is not changed.

    Args:
        path: the learner's notebook.
        variables: the environment that it runs in, over this process's own; not with `run`.
        released: the lab as it was released, if it is at hand, to tell what is missing.
        run: runs it in a sandbox; without it, it runs in a kernel, as nbgrader's Validate button does.

    Raises:
        CivicmlError: it is not a notebook, or no lab.
    """
    import nbformat
    from nbgrader.validator import Validator
    from traitlets.config import Config

    from civicml.autograder.execute import GuardedExecute

    began = time.monotonic()
    notebook = read_notebook(path)
    if not any(marking_of(cell).get("grade") for cell in notebook.cells):
        raise CivicmlError(f"'{path}' is not a lab: there are no questions in it.")
    remarks = _without_doubles(notebook)
    original = read_notebook(released) if released else None
    if original is not None:
        remarks += _missing(notebook, original)
    running = {
        "scratch": False,
        "timeout": 120,
        "shutdown_kernel": "immediate",
        "environment": dict(variables),
    }
    validator = Validator(config=Config({"GuardedExecute": running}))
    execute = validator.preprocessors.index(_nbgraders_execute())
    validator.preprocessors = [
        GuardedExecute if number == execute else step for number, step in enumerate(validator.preprocessors)
    ]
    retyped = validator._get_type_changed_cells(notebook)
    remarks += [f"Cell '{_name(cell)}' was turned into {cell.cell_type}; turn it back." for cell in retyped]
    if not retyped:
        if run is None:
            with contextlib.chdir(path.parent):
                notebook = validator._preprocess(notebook)
            failed = {_name(cell): "" for cell in validator._get_failed_cells(notebook)}
        else:
            result = run(notebook)
            notebook = nbformat.from_dict(result.notebook)  # type: ignore[no-untyped-call]
            failed = {
                v.name: v.message for v in result.verdicts if v.points is not None and v.points < v.most
            }
        remarks += [
            f"The locked cell '{_name(cell)}' was changed. Marking uses the original, so what you see "
            "here may not be what you get."
            for cell in validator._get_changed_cells(notebook)
        ]
        remarks += early_stop(notebook)
        questions = _questions(notebook, failed)
    else:
        questions = []
    return Check(path, tuple(questions), tuple(remarks), round(time.monotonic() - began, 1))


def _nbgraders_execute() -> type:
    from nbgrader.preprocessors import Execute

    return Execute  # type: ignore[no-any-return]


def _name(cell: "NotebookNode") -> str:
    return str(marking_of(cell).get("grade_id", "?"))


def _without_doubles(notebook: "NotebookNode") -> list[str]:
    """Keep the last of two cells with one name, as grading does; nbgrader would refuse the notebook."""
    remarks = []
    seen: set[str] = set()
    for cell in reversed(notebook.cells):
        name = _name(cell) if marking_of(cell) else None
        if name in seen:
            del cell.metadata["nbgrader"]
            remarks.append(f"Cell '{name}' is there more than once; the last one counts.")
        elif name:
            seen.add(name)
    return remarks


def _missing(notebook: "NotebookNode", released: "NotebookNode") -> list[str]:
    there = {_name(cell) for cell in notebook.cells if marking_of(cell)}
    return [
        f"Cell '{_name(cell)}' is missing. Fetch the lab again into another directory and copy it back."
        for cell in released.cells
        if marking_of(cell) and _name(cell) not in there
    ]


# --- telling it -----------------------------------------------------------------------------------


def early_stop(notebook: "NotebookNode") -> list[str]:
    """The first cell that stops, when it is nobody's answer: everything after it may only follow from it."""
    for cell in notebook.cells:
        error, marking = error_of(cell), marking_of(cell)
        if error is None:
            continue
        if marking.get("solution") or marking.get("grade") or error.ename == "NotImplementedError":
            return []
        begins = cell.source.strip().splitlines()[0][:60]
        return [f"Look at this first: the cell that begins '{begins}' stops. {plainly(error)}"]
    return []


def _questions(notebook: "NotebookNode", failed: dict[str, str]) -> list[CheckedQuestion]:
    """One entry a question, in order: its worst cell's state, all of its points."""
    answers = {_name(cell): cell for cell in notebook.cells if marking_of(cell).get("solution")}
    found: dict[str, list[CheckedQuestion]] = {}
    title = ""
    for cell in notebook.cells:
        marking = marking_of(cell)
        if cell.cell_type == "markdown" and not marking.get("solution"):
            title = title_of(cell.source) or title
        if not marking.get("grade"):
            continue
        owners = [name for name in answers if _name(cell) == name or _name(cell).startswith(f"{name}_")]
        question = max(owners, key=len, default=_name(cell))
        state, message = _stand(cell, answers.get(question), failed)
        entry = CheckedQuestion(question, title, float(marking["points"]), state, message)
        found.setdefault(question, []).append(entry)
    return [_together(entries) for entries in found.values()]


def _together(entries: list[CheckedQuestion]) -> CheckedQuestion:
    worst = min(entries, key=lambda entry: _WORST_FIRST.index(entry.state))
    return replace(worst, points=sum(entry.points for entry in entries))


def _stand(
    cell: "NotebookNode", answer: "NotebookNode | None", failed: dict[str, str]
) -> tuple[CheckState, str]:
    from nbgrader.utils import compute_checksum

    marking = marking_of(cell)
    if marking.get("solution"):
        same = marking.get("checksum") == compute_checksum(cell)
        return ("not answered", "") if same else ("a person marks it", "")
    stopped = error_of(answer) if answer is not None else None
    error = error_of(cell)
    if "NotImplementedError" in (getattr(stopped, "ename", ""), getattr(error, "ename", "")):
        return "not answered", ""
    if stopped is not None:
        return "look again", f"Your own cell stops: {plainly(stopped)}"
    if _name(cell) in failed:
        told = _one_line(failed[_name(cell)]) or (plainly(error) if error is not None else "")
        return "look again", told or "Some of the tests did not pass."
    empty = not any(line.strip() and not line.strip().startswith("#") for line in cell.source.splitlines())
    hidden = empty or _ANNOUNCED.search(cell.source) or _name(cell).endswith("_hidden")
    return ("passed so far", "") if hidden else ("passed", "")


def error_of(cell: "NotebookNode") -> "NotebookNode | None":
    """The error that stopped a cell, if one did."""
    return next((output for output in cell.get("outputs", []) if output.output_type == "error"), None)


def plainly(error: "NotebookNode") -> str:
    """An error as one line for people: the test's own words, or what went wrong and where."""
    from nbconvert.filters import strip_ansi

    def plain(text: str) -> str:
        return str(strip_ansi(text))  # type: ignore[no-untyped-call]

    said = re.sub(r"\s*\n\s*", " ", plain(str(error.evalue)).strip())
    said = re.sub(r" \(\S+, line \d+\)$", "", said)  # where Python thinks a cell's file is
    said = _one_line(said)
    if error.ename == "AssertionError":
        return said or "A test did not pass; it does not say why. Read the test cell."
    steps = list(_STEPS.finditer(plain("\n".join(error.traceback))))
    place = ""
    if steps:
        last = steps[-1]
        place = f" (line {last['line']}{' of ' + last['function'] if last['function'] else ' of the cell'})"
    return f"{error.ename}: {said}{place}" if said else f"{error.ename}{place}"


def _one_line(text: str) -> str:
    said = re.sub(r"\s*\n\s*", " ", text.strip())
    return f"{said[:_LONGEST_MESSAGE]}…" if len(said) > _LONGEST_MESSAGE else said


def title_of(markdown: str) -> str:
    """What a question is called: the first numbered words in bold, else the first heading."""
    found = list(_TITLE.finditer(markdown))
    bold = next((one["bold"] for one in found if one["bold"]), "")
    return (bold or (found[0]["heading"] if found else "")).strip()
