# ruff: noqa: ANN401 - values of any kind pass through here
"""Workers that grade: each a warm zygote and the thread that drives it.

A worker that dies takes its submission down only once: another grades it again, and if that dies too the
submission is flagged. It must not know where marks are recorded.
"""

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from civicml.autograder import sandbox
from civicml.autograder.channel import ClosedError
from civicml.autograder.limits import Settings
from civicml.autograder.script import Script, UnreadableError, read_script, read_submission, restore
from civicml.autograder.session import Ran, Session
from civicml.autograder.verdict import Result, Verdict
from civicml.autograder.zygote import QUIET
from civicml.errors import CivicmlError

_START_SECONDS = 120.0
_REPLY_SECONDS = 30.0
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")


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
        self._folder = tempfile.TemporaryDirectory(prefix="civicml-worker-", ignore_cleanup_errors=True)
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
                "folder": self._folder.name,
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

    def end(self, child: int) -> tuple[int, float]:
        """As `session.Forker` says."""
        self._tell({"op": "end", "pid": child})
        told = self._hear(_REPLY_SECONDS)
        return int(told["status"]), float(told["cpu"])

    def close(self) -> None:
        """End it and everything it started."""
        self._socket.close()
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._said.close()
        self._folder.cleanup()
        if self._group is not None:
            self._group.remove()

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


class Grader:
    """Grades submissions of one lab with one worker."""

    def __init__(self, lab: Script, settings: Settings, places: dict[str, list[str]] | None = None) -> None:
        self.lab = lab
        self.settings = settings
        self.places = places
        wanted = (name for module, names in settings.on_demand if module in lab.modules for name in names)
        self._modules = list(dict.fromkeys((*settings.imports, *wanted)))
        self.worker: Worker | None = None
        self._files = {name: Path(path).read_bytes() for name, path in settings.files}

    def start(self) -> None:
        """Start the worker without waiting for it."""
        if self.worker is None:
            self.worker = Worker(self.settings, self._modules)

    def learn(self) -> dict[str, list[str]]:
        """Run the lab with its own solution: it must pass, and shows where tests get objects and where data.

        Raises:
            CivicmlError: a test fails on the lab's own solution.
        """
        session = self._session(self.lab.cells, None)
        session.run()
        failed = next((v for v in session.verdicts if v.status not in ("passed", "manual")), None)
        if failed is not None:
            raise CivicmlError(
                f"The lab's own solution does not pass its test '{failed.name}' here: "
                f"{failed.detail or failed.message}"
            )
        self.places = session.learned
        return session.learned

    def grade(self, path: Path, variables: Mapping[str, str] | None = None) -> Result:
        """Grade one notebook; whatever it holds, a result comes back.

        Args:
            path: the submitted file.
            variables: of the environment, for this submission alone: whose it is.
        """
        began = time.monotonic()
        try:
            cells, notes = restore(read_submission(path, self.settings.limits), self.lab)
        except UnreadableError as error:
            verdicts = tuple(
                Verdict(c.name, "failed", 0.0, c.points, str(error)) for c in self.lab.cells if c.graded
            )
            return Result(str(path), str(error), verdicts, seconds=time.monotonic() - began)
        for attempt in (1, 2):
            try:
                if self.places is None:
                    self.learn()
                session = self._session(cells, self.places, variables)
                session.run()
            except (WorkerDiedError, ClosedError):
                self.close()
                continue
            return Result(
                str(path),
                verdicts=tuple(session.verdicts),
                flags=(*notes, *session.flags),
                notebook=_executed(self.lab, session.ran),
                seconds=time.monotonic() - began,
                own_seconds=session.own_seconds,
                cpu_seconds=session.cpu,
                attempts=attempt,
            )
        voided = tuple(
            Verdict(
                c.name,
                "manual" if c.manual else "void",
                None if c.manual else 0.0,
                c.points,
                "This could not be tested.",
            )
            for c in self.lab.cells
            if c.graded
        )
        flag = "Grading ended twice without a result; a person should look at this submission."
        return Result(str(path), "", voided, (*notes, flag), {}, time.monotonic() - began, attempts=2)

    def close(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def _session(
        self, cells: Any, places: dict[str, list[str]] | None, variables: Mapping[str, str] | None = None
    ) -> Session:
        self.start()
        worker = self.worker
        if worker is None:
            raise WorkerDiedError
        if not worker.told:
            worker.wait_until_ready()
        return Session(
            worker, self.lab, cells, self.settings.limits, places, self._files, dict(variables or {})
        )


class Pool:
    """Several graders at work on one lab's submissions."""

    def __init__(self, lab: Path | Script, settings: Settings, jobs: int = 1) -> None:
        script = lab if isinstance(lab, Script) else read_script(lab)
        self._graders = [Grader(script, settings) for _ in range(max(1, jobs))]

    def __enter__(self) -> "Pool":
        """Start the workers, and learn the lab from its own solution."""
        try:
            for grader in self._graders:
                grader.start()
            places = self._graders[0].learn()
        except BaseException as error:
            self.close()
            if isinstance(error, WorkerDiedError | ClosedError):
                raise CivicmlError("A grading worker ended while it ran the lab's own solution.") from error
            raise
        for grader in self._graders:
            grader.places = places
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def grade(
        self, submissions: Iterable[Path], variables: Callable[[Path], Mapping[str, str]] | None = None
    ) -> Iterator[Result]:
        """Results as they come; no more are kept than there are workers.

        Args:
            submissions: notebooks.
            variables: gives the environment's variables for a submission, such as whose it is.
        """
        waiting: queue.Queue[Path | None] = queue.Queue(maxsize=len(self._graders))
        done: queue.Queue[Result | BaseException | None] = queue.Queue(maxsize=len(self._graders))
        stop = threading.Event()

        def feed() -> None:
            for path in submissions:
                if stop.is_set():
                    break
                waiting.put(path)
            for _ in self._graders:
                waiting.put(None)

        def work(grader: Grader) -> None:
            while (path := waiting.get()) is not None:
                if stop.is_set():
                    continue
                try:
                    done.put(grader.grade(path, variables(path) if variables else None))
                except BaseException as error:
                    done.put(error)
            done.put(None)

        threads = [threading.Thread(target=feed, daemon=True)]
        threads += [threading.Thread(target=work, args=(grader,), daemon=True) for grader in self._graders]
        for thread in threads:
            thread.start()
        working = len(self._graders)
        try:
            while working:
                result = done.get()
                if result is None:
                    working -= 1
                elif isinstance(result, BaseException):
                    raise result
                else:
                    yield result
        finally:
            stop.set()
            while working:
                working -= done.get() is None
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """End all workers."""
        for grader in self._graders:
            grader.close()


def grade_submission(notebook: Path, lab: Path, settings: Settings) -> Result:
    """Grade one submitted notebook against an instructor's lab. Starts a worker for it: seconds.

    Raises:
        CivicmlError: the lab cannot be graded, or no worker can start here.
    """
    with Pool(lab, settings) as pool:
        return next(iter(pool.grade([notebook])))


def without_sandbox(settings: Settings) -> Settings:
    """The same, in a separate process with its limits only: for machines that have no namespaces."""
    return replace(settings, sandbox=False)


def _executed(lab: Script, ran: list[Ran]) -> dict[str, Any]:
    cells = []
    for number, item in enumerate(ran):
        cell: dict[str, Any] = {
            "cell_type": item.cell.cell_type,
            "id": item.cell.id or f"cell-{number}",
            "metadata": dict(item.cell.metadata),
            "source": item.cell.source,
        }
        if item.cell.cell_type == "code":
            cell |= {"outputs": item.outputs, "execution_count": item.count}
            if item.after_tests and item.cell.kind != "test":
                cell["metadata"]["civicml_after_tests"] = True
        cells.append(cell)
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        if cell["id"] in seen:
            cell["id"] = f"cell-{number}"
        seen.add(cell["id"])
    return {"cells": cells, "metadata": lab.notebook_metadata, "nbformat": 4, "nbformat_minor": 5}
