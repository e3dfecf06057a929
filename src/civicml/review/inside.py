# ruff: noqa: ANN401 - values of any kind pass through here
"""The process inside the sandbox: opens a stranger's model, or runs its training, and gives back data.

It is sent inputs and the published tables, and never an outcome of the hold-out: neither a model nor code
has anything here to look up. Whatever comes out of it is checked by the other side.
"""

import contextlib
import importlib.util
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from civicml.autograder.channel import Channel, ChannelError
from civicml.autograder.limits import Limits
from civicml.autograder.values import Reader, Writer
from civicml.datasets.tables import Tables

MODEL = "/srv/model"
SOURCE = "/srv/source"
COURSE = "/srv/course"
_MOST_EVENTS = 20
_MOST_OBJECTS = 200_000
_MOST_TEXT = 2000
_CHUNK = 2_000_000
_REACHES_OUT = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "subprocess.Popen",
    "os.system",
    "os.exec",
)


def run(control: Channel, data: Channel, limits: Limits) -> None:
    """Serve the review until it goes away. `data` is not used: one question at a time, one answer."""
    del data, limits
    # The environment's own libraries first; a learner's file may not stand in for one of them.
    sys.path[:] = [path for path in sys.path if path]
    os.chdir(os.environ.get("HOME", "/"))
    service = _Service()
    while True:
        try:
            message, parts = control.receive()
        except ChannelError:
            return
        answer, sent = _answer(service, message, parts)
        try:
            control.send(answer, sent)
        except ChannelError:
            return


def _answer(service: "_Service", message: Any, parts: list[memoryview]) -> tuple[Any, list[Any]]:
    writer = Writer()
    began = time.perf_counter()
    try:
        asked = Reader(parts).read(message["value"])
        told = getattr(service, f"do_{message['op']}")(asked)
        node = writer.write(told)
    except BaseException as error:  # learners' code may raise anything, SystemExit too
        said = str(error).strip().splitlines()
        return {"error": type(error).__name__[:80], "says": (said or [""])[0][:_MOST_TEXT]}, []
    return {"value": node, "seconds": time.perf_counter() - began}, list(writer.parts)


class _Service:
    def __init__(self) -> None:
        self._model: Callable[[pd.DataFrame], Any] | None = None
        self._events: list[str] = []

    def do_open(self, _: Any) -> None:
        """Open the registered model."""
        from civicml.tracking.artefacts import open_model

        self._model = open_model(Path(MODEL))

    def do_train(self, asked: dict[str, Any]) -> list[str]:
        """Run the learner's training; returns what it tried to reach outside, if anything."""
        sys.addaudithook(self._note)
        tables = Tables(asked["dataset"], "published", asked["tables"])
        path = Path(SOURCE, asked["file"])
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path.name} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        train = getattr(module, "train", None)
        if not callable(train):
            raise TypeError(f"{path.name} defines no function train(tables, seed)")
        self._model = scorer(train(tables, asked["seed"]))
        return list(self._events)

    def do_predict(self, frame: pd.DataFrame) -> Any:
        """Scores for the rows of `frame`, as the model gives them."""
        if self._model is None:
            raise RuntimeError("no model is open")
        scores = self._model(frame)
        return scores if isinstance(scores, np.ndarray) else np.asarray(scores)

    def do_time(self, frame: pd.DataFrame) -> dict[str, float]:
        """Seconds for `frame`, the best of three after a first one, and how many bytes it takes at most."""
        self.do_predict(frame)
        times = []
        with _peak() as peak:
            for _ in range(3):
                began = time.perf_counter()
                self.do_predict(frame)
                times.append(time.perf_counter() - began)
        whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"seconds": min(times), "bytes": float(peak[0]), "process_bytes": float(whole)}

    def do_kept(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What of the training rows is inside the model: see `kept_rows`."""
        if self._model is None:
            raise RuntimeError("no model is open")
        return kept_rows(self._model, asked["frame"], asked["keys"], asked["other_keys"])

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REACHES_OUT and len(self._events) < _MOST_EVENTS:
            with contextlib.suppress(BaseException):
                shown = next((one for one in arguments if isinstance(one, str | tuple | list)), "")
                self._events.append(f"{event} {shown}"[:200])


@contextlib.contextmanager
def _peak() -> Iterator[list[int]]:
    """How far this process's memory rises above where it was, sampled."""
    most, done = [0], threading.Event()
    page = os.sysconf("SC_PAGE_SIZE")
    statm = Path("/proc/self/statm")

    def resident() -> int:
        with contextlib.suppress(OSError):
            return int(statm.read_text().split()[1]) * page
        return 0

    before = resident()

    def watch() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], resident() - before)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        most[0] = max(most[0], resident() - before)
        done.set()
        thread.join()


def scorer(fitted: Any) -> Callable[[pd.DataFrame], Any]:
    """A fitted model as a function from inputs to scores: as it would be kept, and opened again."""
    from civicml.tracking.artefacts.opening import scores_of

    if hasattr(fitted, "predict_proba") or hasattr(fitted, "predict"):
        return scores_of(fitted)
    if callable(fitted):
        return fitted  # type: ignore[no-any-return]
    opened: list[Callable[[pd.DataFrame], Any]] = []

    def score(frame: pd.DataFrame) -> Any:
        """A network, a text model, an adapter or ONNX: keeping it needs rows, so it waits for them."""
        if not opened:
            from civicml.tracking.artefacts import open_model
            from civicml.tracking.artefacts.writing import write_model

            notes = {"data": "again", "seed": 0, "code": "again"}
            place = Path(tempfile.mkdtemp(), "model")
            write_model(fitted, frame.head(20), place, notes)
            opened.append(open_model(place))
        return opened[0](frame)

    return score


# --- training rows inside a model -----------------------------------------------------------------


def kept_rows(
    model: Any, frame: pd.DataFrame, keys: "dict[str, np.ndarray]", other_keys: "dict[str, np.ndarray]"
) -> dict[str, Any]:
    """How many training rows, and how many of their identifiers, lie in the model's arrays.

    Args:
        model: anything; every array that can be reached from it is looked at.
        frame: a sample of training rows, the model's inputs.
        keys: {column: identifiers of training rows}.
        other_keys: the same of rows it was never given, for what is there by chance.

    Returns:
        The largest table of numbers inside (rows, columns), the share of sampled rows found in any
        table, as they are or as the model's own steps prepare them, and for each column of keys the share
        found, and the share of those that cannot be there.
    """
    arrays, steps = _reachable(model)
    prepared = [_numbers(frame), *(_numbers(_transformed(step, frame)) for step in steps)]
    largest, found, where = (0, 0), 0.0, ""
    for path, array in arrays:
        if array.ndim != 2 or array.shape[0] < 20 or array.shape[1] < 2 or array.dtype.kind not in "fiub":
            continue
        if array.shape[0] > largest[0]:
            largest = (int(array.shape[0]), int(array.shape[1]))
        stored: set[bytes] | None = None
        for rows in prepared:
            if rows is None or rows.shape[1] != array.shape[1]:
                continue
            stored = stored if stored is not None else set(_row_bytes(array))
            share = float(np.mean([row in stored for row in _row_bytes(rows)]))
            if share > found:
                found, where = share, path
    inside: set[Any] = set()
    for _, array in arrays:
        inside |= _values(array)
    held = {
        name: [
            float(np.mean([value in inside for value in values.tolist()])),
            float(np.mean([value in inside for value in other_keys[name].tolist()])),
        ]
        for name, values in keys.items()
    }
    return {
        "largest": list(largest),
        "rows": found,
        "where": where[:200],
        "keys": held,
        "arrays": len(arrays),
    }


def _row_bytes(array: Any) -> list[bytes]:
    # In single precision, so that a copy kept at a lower one is found too.
    plain = np.ascontiguousarray(array, dtype=np.float32) + np.float32(0)
    return [row.tobytes() for row in plain]


def _numbers(table: Any) -> Any:
    """A table's number columns as an array, or None."""
    if table is None:
        return None
    if hasattr(table, "toarray"):
        table = table.toarray()
    if isinstance(table, pd.DataFrame):
        table = table.select_dtypes(["number", "bool"]).to_numpy(dtype=np.float64, na_value=np.nan)
    array = np.asarray(table)
    good = array.ndim == 2 and array.dtype.kind in "fiub" and array.shape[1] >= 2
    return array if good else None


def _transformed(step: Any, frame: pd.DataFrame) -> Any:
    try:
        return step(frame)
    except Exception:
        return None


def _values(array: Any) -> set[Any]:
    if array.dtype.kind in "iu" or (array.dtype.kind == "f" and array.size < _CHUNK):
        flat = array.ravel()[:_CHUNK]
        if array.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                flat = flat[np.isfinite(flat) & (flat == np.floor(flat)) & (np.abs(flat) > 10_000)]
            return {int(value) for value in np.unique(flat).tolist()}
        return set(np.unique(flat[np.abs(flat.astype(np.int64)) > 10_000]).tolist())
    if array.dtype.kind in "OU":
        return {value for value in array.ravel()[:_CHUNK].tolist() if isinstance(value, str | int)}
    return set()


def _reachable(model: Any) -> tuple[list[tuple[str, Any]], list[Callable[[Any], Any]]]:
    """Every array below `model`, with its path, and the prefixes of each pipeline as functions."""
    arrays: list[tuple[str, Any]] = []
    steps: list[Callable[[Any], Any]] = []
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("model", model)]
    while waiting and len(seen) < _MOST_OBJECTS:
        path, value = waiting.pop()
        if id(value) in seen or value is None or isinstance(value, str | bytes | int | float | type):
            continue
        seen.add(id(value))
        array = _as_array(value)
        if array is not None:
            arrays.append((path, array))
            if array.dtype.kind == "O":
                waiting += [(path, one) for one in array.ravel()[:10_000].tolist()]
            continue
        if type(value).__name__ == "Pipeline" and hasattr(value, "steps"):
            steps += [value[:end].transform for end in range(1, len(value.steps))]
        waiting += _below(path, value)
    return arrays, steps


def _as_array(value: Any) -> Any:  # noqa: PLR0911 - one for each kind
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
        return _numbers(value) if isinstance(value, pd.DataFrame) else np.asarray(value)
    name = type(value).__name__
    try:
        if hasattr(value, "toarray") and hasattr(value, "nnz"):
            return value.toarray() if np.prod(value.shape) < 50_000_000 else value.data
        if name in ("KDTree", "BallTree", "KDTree64", "BallTree64", "KDTree32", "BallTree32"):
            return np.asarray(value.data)
        if name in ("Tensor", "Parameter"):
            return value.detach().cpu().numpy()
    except Exception:
        return None
    return None


def _below(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{path}[{str(key)[:40]}]", one) for key, one in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(path, one) for one in list(value)[:50_000]]
    found: list[tuple[str, Any]] = []
    for name, one in (getattr(value, "__dict__", None) or {}).items():
        found.append((f"{path}.{name}", one))
    for cell in getattr(value, "__closure__", None) or ():
        with contextlib.suppress(ValueError):
            found.append((path, cell.cell_contents))
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, type(sys)):
        found.append((path, owner))
    return found
