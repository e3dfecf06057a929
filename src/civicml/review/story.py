"""What the record says of one capstone: its rounds, what was decided, and what is still to be answered.

Folds the record's entries into one frozen object. It must not know MLflow, files or rules of deciding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from civicml.review.findings import Finding, by_severity
from civicml.review.record import Entry

Verdict = Literal["accept", "return", "reject"]
Act = Literal["accept", "return", "reject", "rollback", "withdraw"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
ACTS: tuple[Act, ...] = get_args(Act)
REVIEWED = "review"
SHOWN = "shown"
"""The registry shows the record up to the entry that this one names."""
CORRECTED = "correction"


@dataclass(frozen=True)
class Story:
    """One capstone, as the record has it.

    Attributes:
        model: the registered model's name.
        entries: everything recorded of it, in order.
    """

    model: str
    entries: tuple[Entry, ...] = ()

    @property
    def acts(self) -> tuple[Entry, ...]:
        """What people decided, in order."""
        return tuple(entry for entry in self.entries if entry.kind in ACTS)

    @property
    def verdicts(self) -> tuple[Entry, ...]:
        """What people decided on a version; each closes a round."""
        return tuple(entry for entry in self.entries if entry.kind in VERDICTS)

    @property
    def round(self) -> int:
        """The round that is open now, from 1."""
        return 1 + len(self.verdicts)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that anything is recorded of, in order of first mention."""
        return tuple(
            dict.fromkeys(entry.facts["version"] for entry in self.entries if entry.facts["version"])
        )

    @property
    def accepted(self) -> tuple[str, ...]:
        """The versions in use, oldest first: the last one now, the others to roll back to."""
        stack: list[str] = []
        for entry in self.acts:
            if entry.kind == "accept":
                stack = [one for one in stack if one != entry.facts["version"]] + [entry.facts["version"]]
            elif entry.kind == "rollback":
                del stack[-1:]
            elif entry.kind == "withdraw":
                stack = []
            else:  # a version that is returned or rejected later is nothing to go back to
                stack = [one for one in stack if one != entry.facts["version"]]
        return tuple(stack)

    @property
    def in_use(self) -> str:
        """The version that is accepted now, or nothing."""
        return self.accepted[-1] if self.accepted else ""

    @property
    def sent_back(self) -> Entry | None:
        """The verdict that returned or rejected a version, if no version has been accepted since."""
        last = self.verdicts[-1] if self.verdicts else None
        return last if last is not None and last.kind != "accept" else None

    @property
    def returned(self) -> str:
        """The version that was returned last, if no verdict has followed; or nothing."""
        back = self.sent_back
        return str(back.facts["version"]) if back is not None and back.kind == "return" else ""

    @property
    def to_answer(self) -> tuple[Finding, ...]:
        """What the next version must answer: the learner's findings, each code once, the gravest first."""
        if self.sent_back is None:
            return ()
        mine = [finding for finding in findings_of(self.sent_back.facts) if finding.owner == "learner"]
        return by_severity(list({finding.code: finding for finding in reversed(mine)}.values())[::-1])

    @property
    def not_shown(self) -> tuple[Entry, ...]:
        """What is recorded and may not be in the registry yet, because its writer was stopped."""
        shown = max((entry.facts["entry"] for entry in self.entries if entry.kind == SHOWN), default=0)
        return tuple(entry for entry in self.entries if entry.kind != SHOWN and entry.number > shown)

    def of(self, version: str) -> tuple[Entry, ...]:
        """What is recorded of one version."""
        return tuple(
            entry for entry in self.entries if version in (entry.facts["version"], entry.facts.get("to"))
        )

    def review(self, version: str) -> Entry | None:
        """The newest review of a version that no verdict on it has followed."""
        last = None
        for entry in self.of(version):
            if entry.kind == REVIEWED:
                last = entry
            elif entry.kind in VERDICTS:
                last = None
        return last

    def verdict(self, version: str) -> Entry | None:
        """The newest verdict on a version."""
        return next((entry for entry in reversed(self.verdicts) if entry.facts["version"] == version), None)

    def state(self, version: str) -> str:
        """How a version stands, in a word or two."""
        verdict = self.verdict(version)
        if version == self.in_use:
            return "accepted, in use"
        if verdict is not None and self.review(version) is None:
            if verdict.kind == "accept":
                return "accepted earlier" if version in self.accepted else "taken out of use"
            return "returned" if verdict.kind == "return" else "rejected"
        return "reviewed, to be decided" if self.review(version) is not None else "not reviewed"


def story(model: str, entries: Iterable[Entry]) -> Story:
    """What `entries` say of `model`."""
    return Story(model, tuple(entry for entry in entries if entry.facts.get("model") == model))


def findings_of(facts: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings that a verdict was given with, its reviewer's own too."""
    return tuple(Finding(**one) for one in facts.get("findings", ()))
