"""A learner's own visible tests, run as nbgrader's Validate button runs them and told kindly.

Needs nothing but the notebook. It must not know of hidden tests more than that they
exist, nor where runs are tracked.
"""

import contextlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from civicml.assignment import marking_of, read_notebook
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbformat import NotebookNode

CheckState = Literal["passed", "look again", "not answered", "hidden tests only", "a person marks it"]

_LONGEST_MESSAGE = 400
_STEPS = re.compile(r"Cell In\[\d+\], line (?P<line>\d+)(?:, in (?P<function>\w+)\()?")


@dataclass(frozen=True)
class CheckedQuestion:
    """What the visible tests say of one question."""

    name: str
    title: str
    """The heading above it, if there is one."""
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
    """Cells of the lab that were changed, lost or doubled, one sentence each."""
    seconds: float

    @property
    def points(self) -> float:
        """What the lab is worth."""
        return sum(question.points for question in self.questions)

    @property
    def passed(self) -> bool:
        """Whether there is nothing left to look at."""
        return not self.remarks and not any(q.state in ("look again", "not answered") for q in self.questions)


def check_notebook(path: Path, variables: Mapping[str, str], released: Path | None = None) -> Check:
    """Run a learner's notebook and say how each question stands. The file is not changed.

    Args:
        path: the learner's notebook.
        variables: the environment that it runs in, over this process's own.
        released: the lab as it was released, if it is at hand, to tell what is missing.

    Raises:
        CivicmlError: it is not a notebook, or no lab.
    """
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
        with contextlib.chdir(path.parent):
            notebook = validator._preprocess(notebook)
        remarks += [
            f"The locked cell '{_name(cell)}' was changed. Marking uses the original, so what you see "
            "here may not be what you get."
            for cell in validator._get_changed_cells(notebook)
        ]
        failed = {_name(cell) for cell in validator._get_failed_cells(notebook)}
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


def _questions(notebook: "NotebookNode", failed: set[str]) -> list[CheckedQuestion]:
    """One entry a graded cell, with what stopped the learner's own cells above it."""
    questions = []
    title, own = "", []
    for cell in notebook.cells:
        marking = marking_of(cell)
        if not marking and cell.cell_type == "markdown":
            title = _heading(cell.source) or title
        if cell.cell_type == "code" and not marking.get("locked"):
            own.append(cell)
        if not marking.get("grade"):
            continue
        state, message = _stand(cell, own, failed)
        questions.append(CheckedQuestion(_name(cell), title, float(marking["points"]), state, message))
        if state != "hidden tests only":
            own = []
    return questions


def _stand(cell: "NotebookNode", own: "list[NotebookNode]", failed: set[str]) -> tuple[CheckState, str]:
    from nbgrader.utils import compute_checksum

    marking = marking_of(cell)
    if marking.get("solution"):
        same = marking.get("checksum") == compute_checksum(cell)
        return ("not answered", "") if same else ("a person marks it", "")
    if not any(line.strip() and not line.strip().startswith("#") for line in cell.source.splitlines()):
        return "hidden tests only", ""
    if _name(cell) not in failed:
        return "passed", ""
    stopped = next((error for error in map(_error, own) if error is not None), None)
    error = _error(cell)
    for found in (stopped, error):
        if found is not None and found.ename == "NotImplementedError":
            return "not answered", ""
    if stopped is not None:
        return "look again", f"Your own cell stops: {_plainly(stopped)}"
    return "look again", _plainly(error) if error is not None else "Some of the tests did not pass."


def _error(cell: "NotebookNode") -> "NotebookNode | None":
    return next((output for output in cell.get("outputs", []) if output.output_type == "error"), None)


def _plainly(error: "NotebookNode") -> str:
    from nbconvert.filters import strip_ansi

    def plain(text: str) -> str:
        return str(strip_ansi(text))  # type: ignore[no-untyped-call]

    said = " ".join(plain(str(error.evalue)).split())
    said = re.sub(r" \(\d+\.py, line \d+\)$", "", said)  # where Python thinks a cell's file is
    said = f"{said[:_LONGEST_MESSAGE]}…" if len(said) > _LONGEST_MESSAGE else said
    if error.ename == "AssertionError":
        return said or "A test did not pass; it does not say why. Read the test cell."
    steps = list(_STEPS.finditer(plain("\n".join(error.traceback))))
    place = ""
    if steps:
        last = steps[-1]
        place = f" (line {last['line']}{' of ' + last['function'] if last['function'] else ' of the cell'})"
    return f"{error.ename}: {said}{place}" if said else f"{error.ename}{place}"


def _heading(markdown: str) -> str:
    """The first bold text or heading of a cell: what a question is called."""
    found = re.search(r"^#{1,6}\s+(.+?)\s*#*$|\*\*(.+?)\*\*", markdown, flags=re.MULTILINE)
    return (found[1] or found[2]).strip() if found else ""
