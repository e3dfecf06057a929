"""Marks submissions as they come in: a process that keeps the engine warm between them.

Started by the first submission, or by hand: ``python -m civicml.cohort.service COHORT``. It ends when
nothing has come for a while. It tells marks and keeps attempts; the gradebook is `civicml grade`'s alone.
"""

import argparse
import contextlib
import hashlib
import json
import os
import queue
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from civicml.assignment import NOTEBOOK
from civicml.autograder.grade import LEARNER_VARIABLE
from civicml.autograder.pool import Grader, why_no_sandbox
from civicml.autograder.script import read_script
from civicml.autograder.verdict import Result
from civicml.cohort.attempts import attempt_of, keep, told_today
from civicml.cohort.deadlines import deadlines
from civicml.cohort.directory import Cohort, open_cohort
from civicml.cohort.engine import SETTINGS_FILE, engine_settings
from civicml.cohort.grading import digest_of_questions
from civicml.cohort.handing_in import SOCKET
from civicml.cohort.submissions import check_enrolled, submit
from civicml.course import Week
from civicml.errors import CivicmlError

IDLE_SECONDS = 900.0
"""After so long without a submission the process ends, and its memory is free again."""
SIDE_BY_SIDE = 2
"""Submissions of one week that are run at once."""
_MOST_WEEKS = 2
_READ_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_LONGEST = 1 << 16


class _Warm:
    """The graders of one lab as it is now."""

    def __init__(self, cohort: Cohort, week: Week, key: str) -> None:
        self.key = key
        self._scratch = tempfile.TemporaryDirectory(prefix="civicml-store-", ignore_cleanup_errors=True)
        self._lab = read_script(cohort.notebook("source", week))
        self._settings = engine_settings(self._lab, cohort.course.root, Path(self._scratch.name), cohort.root)
        first = Grader(self._lab, self._settings)
        try:
            self._places = first.learn()
        except BaseException:
            first.close()
            raise
        self._all = [
            first,
            *(Grader(self._lab, self._settings, self._places) for _ in range(1, SIDE_BY_SIDE)),
        ]
        # The one that is warm is taken first; another starts its worker when two are needed at once.
        self._free: queue.LifoQueue[Grader] = queue.LifoQueue()
        for grader in reversed(self._all):
            self._free.put(grader)

    def grade(self, notebook: Path, learner: str) -> Result:
        grader = self._free.get()
        try:
            return grader.grade(notebook, {LEARNER_VARIABLE: learner})
        finally:
            self._free.put(grader)

    def close(self) -> None:
        for grader in self._all:
            grader.stop()
            grader.close()
        self._scratch.cleanup()


class Service:
    """Answers requests, each in a thread of its own."""

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self._nbgrader = threading.RLock()  # its log, and the working directory, are the whole process's
        self._warming = threading.Lock()
        self._warm: dict[str, _Warm] = {}
        self._turns: dict[tuple[str, str], threading.Lock] = {}
        self._counting = threading.Lock()
        self._busy = 0
        self._ending = False
        self._last = time.monotonic()

    def run(self, listener: socket.socket, idle: float) -> None:
        """Serve until nothing has come for `idle` seconds, or the cohort is gone."""
        place = self._cohort.root / "exchange" / SOCKET
        own = place.stat().st_ino
        listener.settimeout(min(_LOOK_SECONDS, idle))
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                gone = not place.exists() or place.stat().st_ino != own
                if gone or self._ending or (not self._busy and time.monotonic() - self._last > idle):
                    return
                continue
            with self._counting:
                self._busy += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """End the workers."""
        for warm in self._warm.values():
            warm.close()

    def warm_up(self, week: str) -> None:
        """Have the graders of a week ready before anybody asks."""
        with contextlib.suppress(CivicmlError):
            self._graders(self._cohort.course.week(week))

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._answer(connection, _peer(connection), _request(connection))
            except CivicmlError as error:
                _tell(connection, {"error": str(error)})
            except Exception:
                traceback.print_exc()
                _tell(connection, {"no_marks": "Marks cannot be told now; your work is handed in."})
            finally:
                with self._counting:
                    self._last = time.monotonic()
                    self._busy -= 1

    def _answer(self, connection: socket.socket, user: int, told: dict[str, Any]) -> None:
        if told.get("op") == "end" and user == os.getuid():
            self._ending = True
            return
        learner, week = str(told.get("learner")), self._cohort.course.week(str(told.get("week")))
        check_enrolled(self._cohort, learner)
        if told.get("op") == "submit":
            if user != os.getuid() or told.get("course") != os.environ.get("CIVICML_COURSE", ""):
                _tell(connection, {})
                return
            with self._nbgrader:
                receipt = submit(self._cohort, week, learner, Path(str(told.get("source"))))
            _tell(connection, {"receipt": receipt.as_json()})
            place = receipt.place
        else:
            place = str(told.get("place"))
        submission = self._cohort.exchange / "inbound" / place
        parts = place.split("+")
        if "/" in place or parts[:2] != [learner, week.name] or submission.is_symlink():
            raise CivicmlError("This is not a submission of that learner.")
        if user not in (os.getuid(), 0, submission.stat().st_uid):
            raise CivicmlError("Only who handed work in is told its marks.")
        with self._turns.setdefault((week.name, learner), threading.Lock()):
            _tell(connection, self._mark(week, learner, submission, _moment(parts[2])))

    def _mark(self, week: Week, learner: str, submission: Path, moment: datetime) -> dict[str, Any]:
        policy = self._cohort.course.attempts
        used = told_today(self._cohort, week, learner, datetime.now(UTC))
        if why_no_sandbox() or not policy.marks_per_day:
            return {"no_marks": "Marks come when your instructor gives the week back."}
        if used >= policy.marks_per_day:
            times = "once" if used == 1 else f"{used} times"
            return {
                "no_marks": f"You were told marks {times} today, which is the most for one day. Your work is "
                "handed in all the same; marks are told again tomorrow."
            }
        try:
            graders = self._graders(week)
        except CivicmlError as error:
            # It may quote a hidden test.
            print(f"{week.name}: {error}", file=sys.stderr, flush=True)
            return {
                "no_marks": "Marks cannot be told: the lab does not pass its own tests. Tell your instructor."
            }
        result = graders.grade(submission / f"{NOTEBOOK}.ipynb", learner)
        with self._nbgrader:
            late = (moment - deadlines(self._cohort, week)(learner)).total_seconds()
        most = sum(verdict.most for verdict in result.verdicts)
        attempt = attempt_of(
            result,
            place=submission.name,
            submitted=moment,
            questions=digest_of_questions(self._cohort, week),
            late_penalty=min(self._cohort.course.late.penalty(max(0.0, late), most), result.points),
            told=True,
        )
        keep(self._cohort, week, learner, attempt)
        return {"attempt": attempt.as_json(), "used": used + 1, "per_day": policy.marks_per_day}

    def _graders(self, week: Week) -> _Warm:
        """Warm graders of the lab as it is released now."""
        digest = hashlib.sha256()
        for path in (self._cohort.notebook("source", week), self._cohort.course.root / SETTINGS_FILE):
            digest.update(path.read_bytes() if path.is_file() else b"")
        with self._warming:
            known = self._warm.get(week.name)
            if known is None or known.key != digest.hexdigest():
                if known is not None:
                    self._warm.pop(week.name).close()
                if not self._cohort.notebook("source", week).is_file():
                    raise CivicmlError(f"{week.name} has not been released in this cohort.")
                while len(self._warm) >= _MOST_WEEKS:
                    self._warm.pop(next(iter(self._warm))).close()
                self._warm[week.name] = known = _Warm(self._cohort, week, digest.hexdigest())
            return known


def _moment(text: str) -> datetime:
    from nbgrader.utils import parse_utc

    moment: datetime = parse_utc(text)
    return moment.replace(tzinfo=UTC)


def _peer(connection: socket.socket) -> int:
    """The user at the other end, by the kernel's word."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", told)[1])


def _request(connection: socket.socket) -> dict[str, Any]:
    connection.settimeout(_READ_SECONDS)
    line = b""
    while not line.endswith(b"\n"):
        piece = connection.recv(_LONGEST)
        line += piece
        if not piece or len(line) > _LONGEST:
            raise CivicmlError("That is not a request.")
    told = json.loads(line)
    return told if isinstance(told, dict) else {}


def _tell(connection: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


@contextmanager
def listening(cohort: Cohort) -> Iterator[socket.socket]:
    """The socket, for the one process that serves this cohort.

    Raises:
        CivicmlError: another process serves it.
    """
    folder = os.open(cohort.root / "exchange", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    lock = FileLock(cohort.root / "grading" / ".service.lock", timeout=0)
    try:
        with lock, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            place = cohort.root / "exchange" / SOCKET
            place.unlink(missing_ok=True)
            # The name of a socket is short, the path of a cohort may not be.
            listener.bind(f"/proc/self/fd/{folder}/{SOCKET}")
            place.chmod(0o666)
            listener.listen(128)
            try:
                yield listener
            finally:
                place.unlink(missing_ok=True)
    except Timeout:
        raise CivicmlError(f"Submissions to '{cohort.root}' are being marked by another process.") from None
    finally:
        os.close(folder)


def main() -> None:
    """Serve one cohort."""
    parser = argparse.ArgumentParser(description="Mark submissions to a cohort as they come in.")
    parser.add_argument("cohort", type=Path)
    parser.add_argument(
        "--idle", type=float, default=IDLE_SECONDS, help="Seconds without work, then it ends."
    )
    parser.add_argument("--warm", help="A week to be ready for.")
    told = parser.parse_args()
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # see civicml.cli.main
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    service = None
    try:
        cohort = open_cohort(told.cohort)
        with listening(cohort) as listener:
            service = Service(cohort)
            if told.warm and not why_no_sandbox():
                threading.Thread(target=service.warm_up, args=(told.warm,), daemon=True).start()
            service.run(listener, told.idle)
    except CivicmlError as error:
        raise SystemExit(f"civicml: {error}") from None
    finally:
        if service is not None:
            service.close()


if __name__ == "__main__":
    main()
