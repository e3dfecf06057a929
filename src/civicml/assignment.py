"""A lab as nbgrader sees it: its questions, its points, and what a learner gets of it.

Reads the instructor's notebook into frozen objects and derives the student version
in memory. It must not know how labs are released, run or graded.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.errors import CivicmlError

# nbformat and nbgrader take seconds to import: functions do it when they run.
if TYPE_CHECKING:
    from nbformat import NotebookNode
    from traitlets.config import Config

NOTEBOOK = "lab"
"""What the one notebook of every assignment is called."""

CODE_STUB = "raise NotImplementedError('Replace this line with your answer, then run the cell.')"
"""What a learner finds in place of a solution that says nothing itself; nbgrader's own stub is silent."""

# nbgrader's own steps in its own order, with one of ours that is a kind of ClearSolutions.
_GENERATING = [
    "nbgrader.preprocessors.IncludeHeaderFooter",
    "nbgrader.preprocessors.InstantiateTests",
    "nbgrader.preprocessors.LockCells",
    "civicml.stubs.StubSolutions",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
]


@dataclass(frozen=True)
class GradedCell:
    """One cell that earns points: a cell of tests, or prose that a person marks."""

    name: str
    position: int
    """Counted from 1 over all cells of the notebook."""
    points: float
    manual: bool


@dataclass(frozen=True)
class Question:
    """One solution cell and the cells that mark it."""

    name: str
    position: int
    manual: bool
    """A person marks it: the solution cell itself carries the points."""
    marked_by: tuple[GradedCell, ...]

    @property
    def points(self) -> float:
        """What the question is worth."""
        return sum(cell.points for cell in self.marked_by)


@dataclass(frozen=True)
class Assignment:
    """A lab, read from its instructor's version."""

    path: Path
    notebook: "NotebookNode"
    questions: tuple[Question, ...]
    unclaimed: tuple[GradedCell, ...]
    """Graded cells whose name does not begin with a question's: no question explains them."""

    @cached_property
    def graded(self) -> dict[str, GradedCell]:
        """Every cell that earns points, by name, in the notebook's order."""
        cells = [cell for question in self.questions for cell in question.marked_by] + list(self.unclaimed)
        return {cell.name: cell for cell in sorted(cells, key=lambda cell: cell.position)}

    @property
    def points(self) -> float:
        """What the whole lab is worth."""
        return sum(cell.points for cell in self.graded.values())

    def question(self, name: str) -> Question | None:
        """The question called `name`, if there is one."""
        return next((question for question in self.questions if question.name == name), None)


def read_notebook(path: Path) -> "NotebookNode":
    """The notebook in `path`, as nbformat's own node, in version 4.

    Raises:
        CivicmlError: it is missing, not a notebook, or of a version that cannot be read.
    """
    import nbformat

    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except FileNotFoundError as error:
        raise CivicmlError(f"There is no notebook at '{path}'.") from error
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError, UnicodeDecodeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise CivicmlError(f"'{path}' is not a notebook that can be read: {reason}.") from error
    return notebook


def read_assignment(path: Path) -> Assignment:
    """Read the instructor's version of a lab.

    A graded cell belongs to the question whose name it carries: ``q3_test`` to ``q3``.

    Raises:
        CivicmlError: it cannot be read, or holds no graded cell.
    """
    notebook = read_notebook(path)
    solutions = dict(solution_cells(notebook))
    claims: dict[str, list[GradedCell]] = {name: [] for name in solutions}
    unclaimed: list[GradedCell] = []
    for position, cell in enumerate(notebook.cells, start=1):
        marking = marking_of(cell)
        if not marking.get("grade"):
            continue
        graded = GradedCell(
            name=str(marking.get("grade_id", "")),
            position=position,
            points=float(marking.get("points", 0)),
            manual=bool(marking.get("solution")),
        )
        claims.get(_owner(graded.name, solutions) or "", unclaimed).append(graded)
    if not unclaimed and not any(claims.values()):
        raise CivicmlError(f"'{path}' is not a lab: no cell in it earns points.")
    questions = tuple(
        Question(name, position, bool(marking_of(cell).get("grade")), tuple(claims[name]))
        for name, (position, cell) in solutions.items()
    )
    return Assignment(path, notebook, questions, tuple(unclaimed))


def marking_of(cell: "NotebookNode") -> dict[str, Any]:
    """What nbgrader's metadata says of a cell; empty for an ordinary one."""
    return dict(cell.metadata.get("nbgrader", {}))


def solution_cells(notebook: "NotebookNode") -> Iterator[tuple[str, tuple[int, "NotebookNode"]]]:
    """The cells that learners fill in, as (name, (position from 1, cell))."""
    for position, cell in enumerate(notebook.cells, start=1):
        marking = marking_of(cell)
        if marking.get("solution"):
            yield str(marking.get("grade_id", "")), (position, cell)


def _owner(graded: str, solutions: dict[str, Any]) -> str | None:
    owners = [name for name in solutions if graded == name or graded.startswith(f"{name}_")]
    return max(owners, key=len, default=None)


def nbgrader_settings() -> "Config":
    """What every use of nbgrader shares, as a traitlets configuration."""
    from traitlets.config import Config

    return Config(
        {
            "ClearSolutions": {"code_stub": {"python": CODE_STUB}},
            "GenerateAssignment": {"preprocessors": _GENERATING},
        }
    )


def student_version(notebook: "NotebookNode") -> "NotebookNode":
    """What a learner gets of an instructor's notebook, by nbgrader's own steps.

    Solutions are replaced by stubs, hidden tests and outputs are gone, cells of tests are locked.

    Raises:
        CivicmlError: nbgrader refuses the notebook: a solution without an end, a hidden test
            in an ungraded cell, a name that is used twice.
    """
    from nbgrader import preprocessors as steps

    from civicml.stubs import StubSolutions

    settings = nbgrader_settings()
    made = copy.deepcopy(notebook)
    resources: dict[str, Any] = {"nbgrader": {}}
    for step in (
        steps.LockCells,
        StubSolutions,
        steps.ClearOutput,
        steps.CheckCellMetadata,
        steps.ClearHiddenTests,
        steps.ClearMarkScheme,
        steps.ComputeChecksums,
    ):
        try:
            made, resources = step(config=settings).preprocess(made, resources)
        except Exception as error:  # nbgrader raises RuntimeError, ValueError and its own kinds alike
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise CivicmlError(f"nbgrader cannot make a student version: {reason}.") from error
    return made
