# ruff: noqa: ANN401 - values of any kind pass through here
"""Grades one submission with a warm worker: the learner's cells in one process, the tests in another.

Marks come from what the tests' process says, never from outputs; where it says nothing there is no mark.
It must not know what a gradebook is.
"""

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from civicml.autograder import channel
from civicml.autograder.channel import Channel, ChannelError, LateError
from civicml.autograder.limits import Limits
from civicml.autograder.names import as_message, parse, touched, used
from civicml.autograder.script import Cell, Script
from civicml.autograder.verdict import NO_VERDICT, Verdict

_GRACE = 1.5
"""Seconds that interrupted code has to end by itself."""
_LONGEST_HIDDEN_MESSAGE = 300
_TEXTS = ("text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml", "application/json",
          "image/png", "image/jpeg", "image/gif", "application/vnd.plotly.v1+json")  # fmt: skip


class Forker(Protocol):
    """What a session needs of a worker."""

    def fork(self, kind: str, ends: list[int]) -> int:
        """Fork a child that owns the descriptors `ends`; returns its number."""

    def interrupt(self, child: int) -> None:
        """Send it what ctrl-C would."""

    def end(self, child: int) -> float:
        """Kill it and all it started; returns the seconds of processor that it used."""


@dataclass
class Ran:
    """What came of one cell."""

    cell: Cell
    outputs: list[dict[str, Any]] = field(default_factory=list)
    count: int | None = None
    seconds: float = 0.0
    after_tests: bool = False
    message: str = ""
    """Of a test: what its learner is told."""
    hidden: bool = False
    """Of a test: a hidden line of it did not hold."""


@dataclass
class Session:
    """One submission's run."""

    worker: Forker
    lab: Script
    cells: tuple[Cell, ...]
    limits: Limits
    places: dict[str, list[str]] | None
    files: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.flags: list[str] = []
        self.ran: list[Ran] = []
        self.cpu = 0.0
        self.own_seconds = 0.0
        self.learned: dict[str, list[str]] = {}
        self._children: list[int] = []
        self._stopped: dict[int, str] = {}
        self._tested = False
        self._restarts = 0
        self._deadline = time.monotonic() + self.limits.notebook_seconds

    def run(self) -> None:
        """Run everything; the findings are in this object's fields."""
        later = [used(cell.source) if cell.kind in ("learner", "lab") else set() for cell in self.cells]
        try:
            self._start()
            for place, cell in enumerate(self.cells):
                if cell.kind == "text":
                    self._note_manual(cell)
                    self.ran.append(Ran(cell))
                elif cell.kind == "test":
                    self._test(place, cell)
                    needed = set().union(*later[place + 1 :]) if later[place + 1 :] else set()
                    if touched(parse(cell.visible)) & needed:
                        self._run_cell(place, cell.visible)
                else:
                    ran = self._learners(place, cell)
                    self.ran.append(ran)
                    self._note_manual(cell)
        finally:
            self._end()

    # --- processes

    def _start(self) -> None:
        answer, judge = channel.pair(), channel.pair()
        to_answer, to_judge = channel.pair()
        try:
            self._answer_child = self.worker.fork("answer", [answer[1].fileno(), to_answer.fileno()])
            self._children.append(self._answer_child)
            self._judge_child = self.worker.fork("judge", [judge[1].fileno(), to_judge.fileno()])
            self._children.append(self._judge_child)
        finally:
            for end in (answer[1], judge[1], to_answer, to_judge):
                end.close()
        self._answer = Channel(answer[0], self.limits.output_bytes * 4 + (8 << 20))
        self._judge = Channel(judge[0], 64 << 20)
        both = {"op": "prepare", "files": list(self.files), "variables": self.variables}
        self._answer.send(both, list(self.files.values()))
        names = {"names": as_message(self.lab.names), "places": self.places}
        self._judge.send(both | names, list(self.files.values()))
        start = time.monotonic() + 60
        self._answer.receive(start)
        self._judge.receive(start)

    def _end(self) -> None:
        for child in self._children:
            with contextlib.suppress(ChannelError):
                self.cpu += self.worker.end(child)
        self._children.clear()
        for end in ("_answer", "_judge"):
            if hasattr(self, end):
                getattr(self, end).close()

    def _take_up_again(self, place: int, why: str) -> bool:
        """Start afresh after cell `place` ended or hung its process, and run what came before it again."""
        self._stopped[place] = why
        self._restarts += 1
        self._end()
        if self._restarts > self.limits.restarts or time.monotonic() > self._deadline:
            self._dead = True
            return False
        self._start()
        for before in range(place):
            cell = self.cells[before]
            if before in self._stopped or cell.kind == "text":
                continue
            if cell.kind == "test":
                if cell.number in self.lab.helping_tests:
                    self._ask_judge(cell)
            else:
                with contextlib.suppress(ChannelError):
                    self._exchange(cell.source)
        return True

    _dead = False

    # --- cells

    def _learners(self, place: int, cell: Cell) -> Ran:
        ran = Ran(cell, after_tests=self._tested)
        if not cell.source.strip():
            return ran
        reply = self._run_cell(place, cell.source)
        if isinstance(reply, str):
            ran.outputs = [_error(*_split(reply))]
            return ran
        ran.outputs = clean(reply.get("outputs"), self.limits)
        if "timeout" in reply:
            ran.outputs.append(_error("CellTimeoutError", reply["timeout"]))
        ran.count = reply.get("count") if type(reply.get("count")) is int else None
        seconds = reply.get("seconds")
        ran.seconds = float(seconds) if isinstance(seconds, int | float) else 0.0
        self.own_seconds += max(0.0, min(ran.seconds, self.limits.notebook_seconds))
        return ran

    def _run_cell(self, place: int, source: str) -> dict[str, Any] | str:
        """Run a cell; returns the reply, or in words why there is none."""
        if self._dead or time.monotonic() > self._deadline:
            return "NotRunError: This cell was not run: the time for the whole notebook was used up."
        try:
            return self._exchange(source)
        except LateError:
            most = f"{self.limits.cell_seconds:g} seconds"
            why = f"CellTimeoutError: This cell took more than {most}, and was ended."
        except ChannelError:
            why = "DeadKernelError: This cell ended the process it ran in."
        self.flags.append(f"Cell {place + 1}: {_split(why)[1]}")
        self._take_up_again(place, why)
        return why

    def _exchange(self, source: str) -> dict[str, Any]:
        limit = min(time.monotonic() + self.limits.cell_seconds, self._deadline)
        self._answer.send({"op": "run", "source": source})
        try:
            reply, _ = self._answer.receive(limit)
        except LateError:
            self.worker.interrupt(self._answer_child)
            reply, _ = self._answer.receive(time.monotonic() + _GRACE)
            if isinstance(reply, dict):
                reply["timeout"] = f"This cell took more than {self.limits.cell_seconds:g} seconds."
        if not isinstance(reply, dict):
            raise channel.MalformedError("a reply that is none")
        return reply

    def _note_manual(self, cell: Cell) -> None:
        if cell.manual:
            self.verdicts.append(Verdict(cell.name, "manual", None, cell.points))

    # --- tests

    def _test(self, place: int, cell: Cell) -> None:
        began = time.monotonic()
        told: dict[str, Any] | None = None
        why = ""
        if self._dead or began > self._deadline:
            why = "The notebook's code had ended, or its time was used up, before this test."
        else:
            told, why = self._ask_judge(cell)
            if told is None or told.get("gone"):
                self.flags.append(
                    f"{cell.name}: {why or 'the code ended or was stopped while it was tested'}"
                )
                self._take_up_again(place, why)
        if told is not None and isinstance(told.get("places"), dict):
            self.learned = told["places"]
        verdict = judged(cell, told, why, time.monotonic() - began, tested=self._tested)
        self._tested = self._tested or cell.visible != cell.source
        if verdict.status == "void":
            self.flags.append(f"{cell.name}: {verdict.detail}")
        if cell.graded:
            self.verdicts.append(verdict)
        outputs = _test_outputs(told, verdict)
        self.ran.append(
            Ran(
                cell, outputs, None, verdict.seconds,
                after_tests=True, message=verdict.message, hidden=verdict.hidden,
            )
        )  # fmt: skip

    def _ask_judge(self, cell: Cell) -> tuple[dict[str, Any] | None, str]:
        limit = min(time.monotonic() + self.limits.cell_seconds, self._deadline)
        slow = f"the test took more than {self.limits.cell_seconds:g} seconds"
        try:
            self._judge.send({"op": "test", "source": cell.source, "name": cell.name, "cell": cell.number})
            late = ""
            for child in (self._answer_child, self._judge_child, None):
                try:
                    told, _ = self._judge.receive(limit)
                except LateError:
                    if child is None:
                        return None, slow
                    self.worker.interrupt(child)
                    limit, late = time.monotonic() + _GRACE, slow
                else:
                    return (told, late) if isinstance(told, dict) else (None, "the tests gave no verdict")
        except ChannelError:
            return None, late or "the tests gave no verdict"
        return None, slow


def judged(
    cell: Cell, told: dict[str, Any] | None, why: str, seconds: float, *, tested: bool = False
) -> Verdict:
    """The verdict on a test cell, from what the tests' process said; without that there is no mark.

    Args:
        cell: the test.
        told: what the process said, if anything.
        why: what went wrong beside it.
        seconds: how long it took.
        tested: a hidden test ran before, whose arguments the learner's code may have kept to show them here.
    """
    if told is None or told.get("status") not in ("done", "failed"):
        reason = why or str((told or {}).get("message", "")) or "no verdict"
        slow = "took more than" in why or "ended" in why
        status = "failed" if slow else "void"
        message = (
            "Your code took too long, or ended, before this test was done."
            if slow
            else "This could not be tested."
        )
        return Verdict(cell.name, status, 0.0, cell.points, message, False, reason, seconds)  # type: ignore[arg-type]
    if told["status"] == "done" and not why:
        return _done(cell, told, seconds)
    line = told.get("line", 0)
    hidden = cell.hides(line)
    detail = "\n".join(filter(None, (why, *told.get("traceback", []))))
    return Verdict(
        cell.name,
        "failed",
        0.0,
        cell.points,
        _message(told, hidden, hidden or tested, why),
        hidden,
        detail,
        seconds,
    )


def _done(cell: Cell, told: dict[str, Any], seconds: float) -> Verdict:
    """Full marks, or the part that the last expression says, as nbgrader reads it."""
    shown = told.get("result")
    if shown is None:
        return Verdict(cell.name, "passed", cell.points, cell.points, seconds=seconds)
    try:
        part = float(shown)
    except ValueError:
        return Verdict(cell.name, "passed", cell.points, cell.points, seconds=seconds)
    if not 0 <= part <= cell.points:
        return Verdict(
            cell.name, "void", 0.0, cell.points, "This could not be tested.", False,
            f"the test's last line gave {shown}, no number of points from 0 to {cell.points:g}", seconds,
        )  # fmt: skip
    status = "passed" if part == cell.points else "partial"
    return Verdict(cell.name, status, part, cell.points, seconds=seconds)  # type: ignore[arg-type]


def _message(told: dict[str, Any], hidden: bool, careful: bool, why: str) -> str:
    """For the learner; `careful`: nothing that the learner's code could have put into it."""
    if why or told.get("gone"):
        return "Your code took too long, or ended, while it was tested."
    error, text = str(told.get("error", "")), str(told.get("message", "")).strip()
    own = bool(told.get("from_learner"))
    if not careful:
        if error == "AssertionError":
            return text or "A test did not hold."
        return (f"{error}: {text}" if text else error) + _in_words(told.get("where"))
    if error == "AssertionError" and not own:
        said = str(told.get("said", ""))[:_LONGEST_HIDDEN_MESSAGE]
        return said or ("A hidden test of this question did not hold." if hidden else "A test did not hold.")
    which = "a hidden test" if hidden else "a test"
    # What a learner's own error says or is called could carry what the test passed in.
    return (
        f"Your code raised {told.get('known') or 'an error'} in {which}."
        if own
        else f"{which[0].upper()}{which[1:]} met {error}."
    )


def _in_words(where: Any) -> str:
    if not isinstance(where, list):
        return ""
    line, name = where
    return f" (line {line} of {name})" if str(name).isidentifier() else f" (line {line})"


def _test_outputs(told: dict[str, Any] | None, verdict: Verdict) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = []
    if told and told.get("printed"):
        outputs.append({"output_type": "stream", "name": "stdout", "text": str(told["printed"])})
    if verdict.status in ("failed", "void"):
        name = str((told or {}).get("error") or NO_VERDICT)
        lines = [str(line) for line in (told or {}).get("traceback", [])] or [verdict.detail]
        text = str((told or {}).get("message") or verdict.detail)
        outputs.append({"output_type": "error", "ename": name, "evalue": text, "traceback": lines})
    elif verdict.status == "partial" and told is not None:
        shown = {"text/plain": str(told["result"])}
        outputs.append(
            {"output_type": "execute_result", "execution_count": None, "data": shown, "metadata": {}}
        )
    return outputs


def _error(name: str, text: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}


def _split(why: str) -> tuple[str, str]:
    name, _, text = why.partition(": ")
    return name, text


# --- outputs of an untrusted process ------------------------------------------------------------


def clean(told: Any, limits: Limits) -> list[dict[str, Any]]:
    """Only well-formed outputs, of known kinds, up to the size that a cell may have."""
    kept: list[dict[str, Any]] = []
    room = limits.output_bytes + (1 << 16)
    for output in told if isinstance(told, list) else []:
        whole = _clean_one(output)
        if whole is None:
            continue
        room -= len(str(whole))
        if room < 0 or len(kept) > limits.outputs + 1:
            break
        kept.append(whole)
    return kept


def _clean_one(output: Any) -> dict[str, Any] | None:
    if not isinstance(output, dict):
        return None
    kind = output.get("output_type")
    if kind == "stream":
        return {
            "output_type": "stream",
            "name": "stderr" if output.get("name") == "stderr" else "stdout",
            "text": _text(output.get("text")),
        }
    if kind == "error":
        lines = output.get("traceback")
        trace = [_text(line) for line in lines[:100]] if isinstance(lines, list) else []
        return {
            "output_type": "error",
            "ename": _text(output.get("ename")),
            "evalue": _text(output.get("evalue")),
            "traceback": trace,
        }
    if kind not in ("display_data", "execute_result") or not isinstance(output.get("data"), dict):
        return None
    data = {
        mime: value if mime.endswith("json") else _text(value)
        for mime, value in output["data"].items()
        if mime in _TEXTS and isinstance(value, str | dict | list)
    }
    metadata = output.get("metadata")
    whole = {"output_type": kind, "data": data, "metadata": metadata if isinstance(metadata, dict) else {}}
    if kind == "execute_result":
        count = output.get("execution_count")
        whole["execution_count"] = count if type(count) is int else None
    return whole


def _text(value: Any) -> str:
    text = "".join(map(str, value)) if isinstance(value, list) else str(value)
    # Lone surrogates cannot be written to a file; other controls mean nothing in a notebook, save colours.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return (
        "".join(mark for mark in text if mark >= " " or mark in "\n\t\r\x1b")
        if not text.isprintable()
        else text
    )
