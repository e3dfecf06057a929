"""A stranger's model from outside its sandbox: asked for scores, and never taken at its word.

What comes back is data, read by the rules of the grader's channel; a model that hangs, dies or gives
something else than scores is an error with a reason. It must not know what the scores are good for.
"""

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from civicml.autograder import channel
from civicml.autograder.channel import Channel, ChannelError, LateError
from civicml.autograder.limits import Limits, Settings
from civicml.autograder.pool import why_no_sandbox
from civicml.autograder.values import NotDataError, Reader, UnreadableError, Writer
from civicml.autograder.worker import Worker, WorkerDiedError
from civicml.course import COURSE_FILE
from civicml.errors import CivicmlError
from civicml.review import inside
from civicml.review.brief import FOLDER, Brief, Floats

Why = Literal["late", "ended", "raised", "no scores", "not finite", "out of range"]
_MOST_ANSWER = 256 << 20
_MOST_OPENINGS = 3


class ModelError(Exception):
    """A model, or the code that trains one, does not do what it must.

    Attributes:
        why: in what way.
        says: what happened, as the end of a sentence that begins with the model.
    """

    def __init__(self, why: Why, says: str) -> None:
        super().__init__(says)
        self.why, self.says = why, says


@dataclass(frozen=True)
class Scores:
    """Scores of a model, one for each row, and the seconds they took."""

    values: Floats
    seconds: float


class Sandbox:
    """A warm worker that forks one shut-in process for each use of a model or of its training code.

    Args:
        brief: whose ``frame.py`` training code may use.
        root: the course's directory.
        settings: from ``sandbox.toml``.
        model: the folder of the registered model; None where there is none to open.
        source: the folder of its training code.
        modules: what to import beforehand.
    """

    def __init__(
        self,
        brief: Brief,
        root: Path,
        settings: Settings,
        *,
        model: Path | None,
        source: Path | None,
        modules: tuple[str, ...] = (),
    ) -> None:
        if settings.sandbox and why_no_sandbox():
            raise CivicmlError(f"This machine cannot make the sandbox ({why_no_sandbox()}).")
        shown = {f"{inside.COURSE}/{COURSE_FILE}": root / COURSE_FILE}
        shown[f"{inside.COURSE}/{FOLDER}/{brief.domain}"] = brief.folder
        if model is not None:
            shown[inside.MODEL] = model
        if source is not None:
            shown[inside.SOURCE] = source
        for folder in filter(None, (model, source)):
            _readable_by_all(folder)
        quiet = {
            "CIVICML_COURSE": inside.COURSE,
            "CIVICML_LEARNER": "learner",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "HF_HUB_OFFLINE": "1",
            "MLFLOW_TRACKING_URI": "sqlite:////tmp/mlflow.db",
        }
        self.limits: Limits = settings.limits
        self._settings = replace(
            settings,
            show=tuple((place, str(path)) for place, path in shown.items()),
            show_to_tests=(),
            environment=tuple(quiet.items()),
            tests_environment=(),
            tables=(),
            store="",
            service="civicml.review.inside",
        )
        self._modules = tuple(dict.fromkeys((*settings.imports, *modules)))
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        self._worker = Worker(self._settings, self._modules)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            self._worker.close()

    def start(self) -> "Process":
        """A process of its own, shut in.

        Raises:
            CivicmlError: none can be started.
        """
        worker = self._worker
        if worker is None:
            raise CivicmlError("The sandbox is not open.")
        try:
            if not worker.told:
                worker.wait_until_ready()
            return Process(worker)
        except WorkerDiedError as error:
            raise CivicmlError("The sandbox's worker ended, so the model cannot be run.") from error


class Process:
    """One process in the sandbox. Ask one thing at a time."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        ours, theirs = channel.pair()
        spare, their_spare = channel.pair()
        try:
            self._number: int | None = worker.fork("service", [theirs.fileno(), their_spare.fileno()])
        finally:
            theirs.close()
            their_spare.close()
        spare.close()
        self._control = Channel(ours, _MOST_ANSWER)

    def ask(self, op: str, value: object = None, *, seconds: float) -> tuple[Any, float]:
        """Ask for `op`; returns its answer and the seconds that the process says it took.

        Raises:
            ModelError: it raises, hangs, ends, or answers with something that is no data.
        """
        self.send(op, value)
        return self.hear(seconds)

    def send(self, op: str, value: object = None) -> None:
        """Ask without waiting; `hear` takes the answer."""
        writer = Writer()
        node = writer.write(value)
        # A process that is gone is noticed when its answer is due.
        with contextlib.suppress(ChannelError):
            self._control.send({"op": op, "value": node}, writer.parts)

    def hear(self, seconds: float) -> tuple[Any, float]:
        """The answer to what was asked last; as `ask`."""
        try:
            reply, parts = self._control.receive(time.monotonic() + seconds)
        except LateError:
            self.close()
            raise ModelError("late", f"gave no answer within {seconds:g} seconds, and was stopped") from None
        except ChannelError:
            self.close()
            raise ModelError("ended", "ended its own process, or used more memory than it may") from None
        try:
            if "error" in reply:
                said = _words(f"{reply['error']}: {reply.get('says', '')}")
                raise ModelError("raised", f"raised {said}")
            taken = float(reply["seconds"])
            return Reader(parts).read(reply["value"]), taken
        except (TypeError, KeyError, ValueError, UnreadableError, NotDataError):
            self.close()
            raise ModelError("no scores", "gave something that is not data") from None

    def close(self) -> None:
        """End the process, and all it started."""
        number, self._number = self._number, None
        self._control.close()
        if number is not None:
            with contextlib.suppress(WorkerDiedError):
                self._worker.end(number)


class Model:
    """The registered model, opened in the sandbox, and opened anew where it hung or ended its process."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._process: Process | None = None
        self._left = _MOST_OPENINGS

    def open(self) -> float:
        """Open it; returns the seconds that took.

        Raises:
            ModelError: it does not open, or ended its process too often.
        """
        if not self._left:
            raise ModelError("ended", f"ended or hung its process {_MOST_OPENINGS} times")
        self._left -= 1
        self._process = self._sandbox.start()
        return self.ask("open")[1]

    def ask(self, op: str, value: object = None) -> tuple[Any, float]:
        """As `Process.ask`, within the time that a cell of a submission has."""
        process = self._process
        if process is None:
            self.open()
            return self.ask(op, value)
        try:
            return process.ask(op, value, seconds=self._sandbox.limits.cell_seconds)
        except ModelError as error:
            if error.why in ("late", "ended", "no scores"):
                process.close()
                self._process = None
            raise

    def scores(self, frame: pd.DataFrame) -> Scores:
        """Its scores for `frame`, checked; raises `ModelError` as `Process.ask` and `checked` do."""
        told, seconds = self.ask("predict", frame)
        return Scores(checked(told, len(frame)), seconds)

    def close(self) -> None:
        """End its process."""
        if self._process is not None:
            self._process.close()


def checked(told: object, rows: int) -> Floats:
    """Scores that can be used.

    Raises:
        ModelError: they cannot.
    """
    if not isinstance(told, np.ndarray) or told.dtype.kind not in "fiub":
        raise ModelError("no scores", "gives something that is not an array of numbers")
    if told.shape == (rows, 1):
        told = told[:, 0]
    if told.shape != (rows,):
        raise ModelError("no scores", f"gives an array of shape {told.shape} for {rows:,} rows")
    values = told.astype(np.float64)
    if missing := int((~np.isfinite(values)).sum()):
        raise ModelError("not finite", f"gives NaN or infinity for {missing:,} of {rows:,} rows")
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if low < 0.0 or high > 1.0:
        raise ModelError("out of range", f"gives scores from {low:.3g} to {high:.3g}, not from 0 to 1")
    return values


def _readable_by_all(folder: Path) -> None:
    """The sandbox's user owns nothing, so it must be allowed to read what it is shown."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            with contextlib.suppress(OSError):
                path.chmod(0o755 if path.is_dir() else 0o644)


def _words(text: str) -> str:
    """What a stranger's error says, on one line and not too long."""
    plain = "".join(mark if mark.isprintable() else " " for mark in text)
    return (plain[:300] + "…" if len(plain) > 300 else plain).rstrip(". :")
