"""A warm zygote, from outside: started, told to fork, ended; and what a killed grader left is cleared away.

It must not know what is run in the forks.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from civicml.autograder import sandbox
from civicml.autograder.limits import Settings
from civicml.autograder.zygote import QUIET
from civicml.errors import CivicmlError

_START_SECONDS = 300.0
_REPLY_SECONDS = 30.0
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")
_PREFIX = "civicml-worker-"
_LOCK = ".in-use"
_GROUPS = ".groups"


class WorkerDiedError(Exception):
    """The worker ended, and not because it was told to."""


class Worker:
    """A zygote, from outside."""

    def __init__(self, settings: Settings, modules: Iterable[str]) -> None:
        self._settings = settings
        self._group = sandbox.Group(settings.limits) if settings.sandbox else None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | QUIET
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
        clear_left_overs()
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _claimed(self._folder, self._group)
        self._process = subprocess.Popen(  # noqa: S603 - our own module, in this interpreter
            [sys.executable, "-m", "civicml.autograder.zygote", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said,
            env=environment, cwd="/",
        )  # fmt: skip
        theirs.close()
        self._socket = ours
        self._tell(
            {
                "imports": list(modules),
                "show": list(settings.show),
                "show_to_tests": list(settings.show_to_tests),
                "environment": dict(settings.environment),
                "tests_environment": dict(settings.tests_environment),
                "limits": asdict(settings.limits),
                "sandbox": settings.sandbox,
                "store": settings.store,
                "service": settings.service,
                "tables": [list(one) for one in settings.tables],
                "folder": str(self._folder),
                "groups": self._group.procs if self._group else [],
            }
        )
        self.told: dict[str, Any] = {}

    @property
    def number(self) -> int:
        """Of the process that keeps it."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait for its imports.

        Raises:
            CivicmlError: it could not start; with the last line that it said.
        """
        try:
            self.told = self._hear(_START_SECONDS)
        except WorkerDiedError:
            said = self._last_words()
            self.close()
            raise CivicmlError(f"A grading worker could not start: {said}.") from None

    def fork(self, kind: str, ends: list[int]) -> int:
        """As `session.Forker` says."""
        self._tell({"op": "fork", "kind": kind}, ends)
        return int(self._hear(_REPLY_SECONDS)["pid"])

    def interrupt(self, child: int) -> None:
        """As `session.Forker` says."""
        self._tell({"op": "interrupt", "pid": child})
        self._hear(_REPLY_SECONDS)

    def end(self, child: int) -> float:
        """As `session.Forker` says."""
        self._tell({"op": "end", "pid": child})
        told = self._hear(_REPLY_SECONDS)
        return float(told["cpu"])

    def kill(self) -> None:
        """End it from another thread; whoever waits for it is told that it died."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End it and everything it started."""
        self._socket.close()
        self.kill()
        self._process.wait()
        self._said.close()
        if self._group is not None:
            self._group.remove()
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)

    def _tell(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], descriptors or [])
        except OSError as error:
            raise WorkerDiedError from error

    def _hear(self, seconds: float) -> dict[str, Any]:
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(1 << 20)
        except OSError as error:
            raise WorkerDiedError from error
        if not data:
            raise WorkerDiedError
        return dict(json.loads(data))

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].rstrip(".") if lines else "it ended without a word"


# --- what was left by a grader that was killed ----------------------------------------------------


def _claimed(folder: Path, group: sandbox.Group | None) -> int:
    """Mark `folder` as in use for as long as this process lives; returns the lock's descriptor."""
    if group is not None:
        (folder / _GROUPS).write_text("\n".join(map(str, group.folders)), encoding="utf-8")
    unlocked = folder / f"{_LOCK}.new"
    lock = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unlocked.rename(folder / _LOCK)  # under its name it is locked from the first
    return lock


def clear_left_overs() -> None:
    """Take away the directories and control groups of workers whose grader was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            # One that is not locked yet is being made now.
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                # The kernel lets go of a dead process's lock; a living one's is not to be had.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (folder / _GROUPS).is_file():
                    for group in (folder / _GROUPS).read_text(encoding="utf-8").splitlines():
                        with contextlib.suppress(OSError):
                            Path(group).rmdir()
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
