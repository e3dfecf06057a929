"""Proof that something was handed in, as data that goes through JSON. It must not know how that is done."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Receipt:
    """Proof that something was handed in."""

    learner: str
    week: str
    """The week's name."""
    notebook: Path
    sha256: str
    size: int
    """Bytes."""
    submitted: datetime
    deadline: datetime
    """This learner's own, in the course's time zone like `submitted`."""
    percent_off: float
    """What being late costs, in percent of the lab's points; 0 in time or within the minutes of grace."""
    earlier: int
    """How many times this learner had handed the week in before."""
    unanswered: tuple[str, ...]
    """Questions still as they were released."""
    place: str = ""
    """What the submission is called in the exchange."""

    @property
    def late(self) -> bool:
        """Whether it came in after the deadline."""
        return self.submitted > self.deadline

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        moments = {name: getattr(self, name).isoformat() for name in ("submitted", "deadline")}
        return {**asdict(self), **moments, "notebook": str(self.notebook)}


def receipt_from_json(told: dict[str, Any]) -> Receipt:
    """The inverse of `Receipt.as_json`."""
    moments = {name: datetime.fromisoformat(told[name]) for name in ("submitted", "deadline")}
    changed = {"notebook": Path(told["notebook"]), "unanswered": tuple(told["unanswered"])}
    return Receipt(**{**told, **moments, **changed})
