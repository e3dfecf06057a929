"""Handing in and hearing at once what it earned, where the cohort is at hand.

A process that stays warm (`civicml.cohort.service`) hands in and marks; where none runs yet, the first
submission starts one. This module is what a learner's command runs: it must stay light, and must not
know how work is handed in or graded.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.cohort.receipts import Receipt, receipt_from_json
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from civicml.cohort.attempts import Attempt

SOCKET = ".marks"
"""What the service listens on, in the cohort's ``exchange``."""
_START_SECONDS = 120.0
_RECEIPT_SECONDS = 20.0
_MARKS_SECONDS = 660.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class HandedIn:
    """A receipt and, where marks are told at once, what was earned."""

    receipt: Receipt
    attempt: "Attempt | None"
    used: int
    """How often marks were told today, this time included."""
    per_day: int
    no_marks: str
    """Why no marks are told now, as a sentence; empty when they are, or when nobody is here to give them."""


def hand_in(
    cohort: Path,
    week: str,
    learner: str,
    source: Path,
    receipt_came: Callable[[Receipt], None] = lambda receipt: None,
) -> HandedIn:
    """Hand in a lab; the marks of its visible and hidden tests come back where the cohort can give them.

    Args:
        cohort: the cohort's directory.
        week: the week, as a person names it.
        learner: the learner's id.
        source: the notebook, its directory, or the directory that holds the week's.
        receipt_came: told as soon as the work is handed in, before it is marked.

    Raises:
        CivicmlError: there is nothing that could be graded, and nothing was handed in.
    """
    request = {
        "op": "submit",
        "learner": learner,
        "week": week,
        "source": str(source.expanduser().absolute()),
        "course": os.environ.get("CIVICML_COURSE", ""),
    }
    with _connection(cohort) as service:
        told = _ask(service, request, _RECEIPT_SECONDS) if service else None
        if service and told and "receipt" in told:
            receipt = receipt_from_json(told["receipt"])
            receipt_came(receipt)
            return _marked(receipt, _hear(service, _MARKS_SECONDS))
    # Nobody listens; or somebody else does, who may not read this learner's files.
    starting = _start(cohort, week) if told is None else None
    receipt = _hand_in_here(cohort, week, learner, source)
    receipt_came(receipt)
    ask_for = {"op": "mark", "learner": learner, "week": receipt.week, "place": receipt.place}
    for service in _connections(cohort, starting):
        return _marked(receipt, _ask(service, ask_for, _MARKS_SECONDS))
    return HandedIn(receipt, None, 0, 0, "")


def _hand_in_here(cohort: Path, week: str, learner: str, source: Path) -> Receipt:
    from civicml.cohort.directory import open_cohort
    from civicml.cohort.submissions import submit

    opened = open_cohort(cohort)
    return submit(opened, opened.course.week(week), learner, source)


def _marked(receipt: Receipt, told: dict[str, Any] | None) -> HandedIn:
    if told is None:
        return HandedIn(receipt, None, 0, 0, "Marks cannot be told now; your work is handed in.")
    if "attempt" not in told:
        return HandedIn(receipt, None, 0, 0, str(told.get("no_marks", "")))
    from civicml.cohort.attempts import attempt_from_json

    return HandedIn(receipt, attempt_from_json(told["attempt"]), told["used"], told["per_day"], "")


def end_service(cohort: Path) -> None:
    """End the process that marks submissions to this cohort, if one runs: nothing is lost by it."""
    with _connection(cohort) as service:
        if service is None:
            return
        _ask(service, {"op": "end"}, _RECEIPT_SECONDS)
    deadline = time.monotonic() + _RECEIPT_SECONDS
    while (cohort / "exchange" / SOCKET).exists() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


# --- the service, from outside --------------------------------------------------------------------


def _start(cohort: Path, week: str) -> "subprocess.Popen[bytes] | None":
    """Start a service, where whoever runs this may read the instructor's side of the cohort."""
    from civicml.cohort.directory import open_cohort

    private = [cohort / "source", cohort / "grading"]
    if sys.platform != "linux" or not all(os.access(folder, os.R_OK | os.W_OK) for folder in private):
        return None
    if not open_cohort(cohort).course.attempts.marks_per_day:
        return None
    log = cohort / "logs" / "service.log"
    with log.open("ab") if log.parent.is_dir() else open(os.devnull, "ab") as said:  # noqa: PTH123
        return subprocess.Popen(  # noqa: S603 - our own module, in this interpreter
            [sys.executable, "-m", "civicml.cohort.service", str(cohort.resolve()), "--warm", week],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip


def _connections(cohort: Path, starting: "subprocess.Popen[bytes] | None") -> Iterator[socket.socket]:
    """The service, once it listens; nothing where there is none."""
    deadline = time.monotonic() + (_START_SECONDS if starting else 0.0)
    while True:
        with _connection(cohort) as service:
            if service is not None:
                yield service
                return
        if time.monotonic() > deadline or (starting is not None and starting.poll() is not None):
            return
        time.sleep(_POLL_SECONDS)


@contextmanager
def _connection(cohort: Path) -> Iterator[socket.socket | None]:
    if sys.platform != "linux":
        yield None
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as service:
        try:
            folder = os.open(cohort / "exchange", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                # The name of a socket is short, the path of a cohort may not be.
                service.connect(f"/proc/self/fd/{folder}/{SOCKET}")
            finally:
                os.close(folder)
        except OSError:
            yield None
        else:
            yield service


def _ask(service: socket.socket, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
    """Send a request and hear the first answer; None when the service ends without one.

    Raises:
        CivicmlError: what the service says against it.
    """
    with suppress(OSError):
        service.sendall(json.dumps(request).encode() + b"\n")
    return _hear(service, seconds)


def _hear(service: socket.socket, seconds: float) -> dict[str, Any] | None:
    service.settimeout(seconds)
    line = bytearray()
    try:
        while not line.endswith(b"\n"):
            # One byte more than a line would be of the next.
            piece = service.recv(1 << 16, socket.MSG_PEEK)
            if not piece:
                return None
            end = piece.find(b"\n") + 1
            line += service.recv(end or len(piece))
    except OSError:
        return None
    told = json.loads(line)
    if "error" in told:
        raise CivicmlError(told["error"])
    return dict(told)
