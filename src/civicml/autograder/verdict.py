"""What grading a submission found, as plain data that goes through JSON unchanged."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

NO_VERDICT = "NoVerdict"
"""The error's name where tests gave no answer that can be relied on."""
AFTER_TESTS = "civicml_after_tests"
MESSAGE = "civicml_message"
HIDDEN = "civicml_hidden"
"""In a cell's metadata: it ran after hidden tests; what a learner is told of a test; a hidden one failed."""

Status = Literal["passed", "partial", "failed", "void", "manual"]


@dataclass(frozen=True)
class Verdict:
    """On one cell that earns points."""

    name: str
    status: Status
    """``void``: the tests gave no answer that can be relied on, so there is no mark; a person should look."""
    points: float | None
    """None for a cell that a person marks."""
    most: float
    message: str = ""
    """For the learner: what the failed test says. Never the text of a hidden test."""
    hidden: bool = False
    """It was a hidden test that failed."""
    detail: str = ""
    """For the instructor: error, line and text of the test."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    """Of one submission."""

    submission: str
    problem: str = ""
    """Why nothing could be graded; empty when all went well."""
    verdicts: tuple[Verdict, ...] = ()
    flags: tuple[str, ...] = ()
    """What a person may want to look at."""
    notebook: dict[str, Any] = field(default_factory=dict)
    """As it was run, with outputs: for who marks it, not for its learner. Cells marked
    ``civicml_after_tests`` ran after hidden tests and may show what those passed in;
    ``civicml_message`` is what a learner is told of a test."""
    seconds: float = 0.0
    own_seconds: float = 0.0
    """Spent in the submission's own cells."""
    cpu_seconds: float = 0.0
    attempts: int = 1

    @property
    def points(self) -> float:
        """What was earned so far, without what a person marks."""
        return sum(verdict.points or 0.0 for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        """For a file or a queue."""
        return asdict(self)


def from_json(told: dict[str, Any]) -> Result:
    """The inverse of `Result.as_json`."""
    plain = {**told, "verdicts": tuple(Verdict(**v) for v in told["verdicts"]), "flags": tuple(told["flags"])}
    return Result(**plain)
