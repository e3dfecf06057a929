# ruff: noqa: ANN401 - values of any kind pass through here
"""Graders side by side: each a worker and the thread that drives it.

A worker that dies takes its submission down only once: another grades it again, and if that dies too the
submission is flagged. It must not know where marks are recorded.
"""

import functools
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from civicml.autograder import sandbox
from civicml.autograder.channel import ClosedError
from civicml.autograder.limits import Settings
from civicml.autograder.script import Cell, Script, UnreadableError, read_script, read_submission, restore
from civicml.autograder.session import Ran, Session
from civicml.autograder.verdict import AFTER_TESTS, HIDDEN, MESSAGE, Result, Verdict
from civicml.autograder.worker import Worker, WorkerDiedError
from civicml.errors import CivicmlError

_AUTOGRADING = {"NBGRADER_EXECUTION": "autograde"}
"""nbgrader's own sign, for labs that ask whether they are being graded."""


@functools.cache
def why_no_sandbox() -> str:
    """What keeps this machine from making the sandbox; empty where nothing does. Tried once a process."""
    missing = [wall for wall in sandbox.protections() if wall.essential and not wall.active]
    return f"{missing[0].name}: {missing[0].why}".rstrip(".") if missing else ""


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

        self._stopped = False

    def start(self) -> None:
        """Start the worker without waiting for it.

        Raises:
            CivicmlError: the settings ask for a sandbox, and this machine cannot make one.
        """
        if self.worker is None:
            if self.settings.sandbox and why_no_sandbox():
                raise CivicmlError(f"This machine cannot make the sandbox ({why_no_sandbox()}).")
            self.worker = Worker(self.settings, self._modules)

    def learn(self) -> dict[str, list[str]]:
        """Run the lab with its own solution: it must pass, and shows where tests get objects and where data.

        Raises:
            CivicmlError: a test fails on the lab's own solution.
        """
        learned, missed = self._study()
        if missed:
            said = "; ".join((missed[0].detail or missed[0].message).splitlines()).rstrip(".")
            raise CivicmlError(
                f"The lab's own solution does not pass its test '{missed[0].name}' here: {said}."
            )
        self.places = learned
        return learned

    def learn_what_passes(self) -> list[Verdict]:
        """The same for a lab of anybody's; returns the tests that its own solution does not pass.

        Of what such a test asks for after its failure nothing is known: no object can decide there what it
        equals.
        """
        self.places, missed = self._study()
        return missed

    def _study(self) -> tuple[dict[str, list[str]], list[Verdict]]:
        session = self._session(self.lab.cells, None, _AUTOGRADING)
        session.run()
        return session.learned, [v for v in session.verdicts if v.status not in ("passed", "manual")]

    def try_out(self, variables: Mapping[str, str] | None = None) -> Result:
        """Run the lab itself as it stands, a learner's own copy; its tests take whatever they are given.

        Raises:
            CivicmlError: the worker ended twice.
        """
        for _ in (1, 2):
            try:
                session = self._session(self.lab.cells, None, variables)
                session.run()
            except (WorkerDiedError, ClosedError):
                self.close()
                continue
            notebook = _executed(self.lab, session.ran)
            return Result("", "", tuple(session.verdicts), tuple(session.flags), notebook)
        raise CivicmlError("The notebook could not be run: the process that runs it ended twice.")

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
            return unreadable(self.lab, path, str(error), time.monotonic() - began)
        session, attempt = self.run(cells, {**_AUTOGRADING, **(variables or {})})
        if session is not None:
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
        flag = "Grading ended twice without a result; a person should look at this submission."
        return untested(self.lab, path, (*notes, flag), time.monotonic() - began)

    def run(
        self, cells: tuple[Cell, ...], variables: Mapping[str, str] | None = None
    ) -> tuple[Session | None, int]:
        """Run cells in the lab's shape; returns what came of it, and the attempts that it took.

        None: the worker died each time.
        """
        for attempt in (1, 2):
            if self._stopped:
                break
            try:
                if self.places is None:
                    self.learn()
                session = self._session(cells, self.places, variables)
                session.run()
            except (WorkerDiedError, ClosedError):
                self.close()
            else:
                return session, attempt
        return None, 2

    def take_over(self, other: "Grader") -> None:
        """Go on with another grader's warm worker, if it was started as this one's would be."""
        same = self._modules == other._modules and _for_worker(self.settings) == _for_worker(other.settings)
        if same and self.worker is None:
            self.worker, other.worker = other.worker, None

    def close(self) -> None:
        """End the worker."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.close()

    def stop(self) -> None:
        """From another thread: end what is being graded, without a result that counts; for good."""
        self._stopped = True
        worker = self.worker
        if worker is not None:
            worker.kill()

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


def _for_worker(settings: Settings) -> Settings:
    """Of the settings, what a worker is started with."""
    limits = replace(settings.limits, cell_seconds=0.0, restarts=0)
    return replace(settings, limits=limits, files=())


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
    ) -> Generator[Result, None, None]:
        """Results as they come; no more are kept than there are workers. Closed early, the pool is done with.

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
            if working:  # somebody wants no more: what is being graded now is not waited for
                for grader in self._graders:
                    grader.stop()
            while working:
                working -= done.get() is None
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """End all workers."""
        for grader in self._graders:
            grader.close()


def unreadable(lab: Script, path: Path, reason: str, seconds: float = 0.0) -> Result:
    """The result of a file that holds no notebook: no points, and the reason for the learner."""
    verdicts = tuple(
        Verdict(cell.name, "failed", 0.0, cell.points, reason) for cell in lab.cells if cell.graded
    )
    return Result(str(path), reason, verdicts, seconds=seconds)


def untested(lab: Script, path: Path, flags: tuple[str, ...], seconds: float = 0.0) -> Result:
    """The result of a submission with which one worker after another ended: void, for a person to look at."""
    voided = tuple(
        Verdict(
            cell.name,
            "manual" if cell.manual else "void",
            None if cell.manual else 0.0,
            cell.points,
            "This could not be tested.",
        )
        for cell in lab.cells
        if cell.graded
    )
    return Result(str(path), "", voided, flags, {}, seconds, attempts=2)


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
                cell["metadata"][AFTER_TESTS] = True
            if item.cell.kind == "test":
                cell["metadata"] |= {MESSAGE: item.message, HIDDEN: item.hidden}
        cells.append(cell)
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        if cell["id"] in seen:
            cell["id"] = f"cell-{number}"
        seen.add(cell["id"])
    return {"cells": cells, "metadata": lab.notebook_metadata, "nbformat": 4, "nbformat_minor": 5}
