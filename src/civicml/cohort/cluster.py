"""The grading engine on a Dask cluster: the same graders, on other machines.

Texts go out and texts come back: a notebook and whose it is, a result as JSON. Nothing of a
learner's is ever unpickled. Dask hands the task of a worker that died to another. It must not know
where marks are recorded.
"""

import base64
import hashlib
import itertools
import json
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.autograder.pool import Grader, unreadable, untested, why_no_sandbox
from civicml.autograder.script import UnreadableError, read_script, receive
from civicml.autograder.verdict import Result, from_json
from civicml.cohort.directory import Cohort
from civicml.cohort.engine import course_settings, engine_settings
from civicml.course import Week
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from distributed import Client, Future, as_completed

_CONNECT_SECONDS = 20
_RETRIES = 2
"""How often a task may be given to another worker after the first died with it."""
_AHEAD = 3
"""Tasks on their way for each thread of the cluster: enough to keep it busy, few enough to fit in memory."""

SubmissionVariables = Callable[[Path], Mapping[str, str]]


class Cluster:
    """Grades a week's submissions on the workers of a Dask scheduler; used as `autograder.pool.Pool` is."""

    def __init__(self, client: "Client", cohort: Cohort, week: Week) -> None:
        self._client = client
        lab = cohort.notebook("source", week)
        self._lab = {
            "lab": str(lab),
            "digest": hashlib.sha256(lab.read_bytes()).hexdigest(),
            "course": str(cohort.course.root),
            "cohort": str(cohort.root),
        }
        self._script = read_script(lab)
        self._limits = course_settings(cohort.course.root).limits

    def grade(
        self, submissions: Iterable[Path], variables: SubmissionVariables | None = None
    ) -> Generator[Result, None, None]:
        """Results as they come; a few more are under way than there are threads.

        Args:
            submissions: notebooks.
            variables: gives the environment's variables for a submission, such as whose it is.

        Raises:
            CivicmlError: the scheduler or all workers are gone, or a worker cannot grade this lab.
        """
        from distributed import as_completed

        waiting = iter(submissions)
        paths: dict[object, Path] = {}
        refused: list[Result] = []

        def send(path: Path) -> "Future[str] | None":
            try:
                notebook = receive(path, self._limits)
            except UnreadableError as error:
                refused.append(unreadable(self._script, path, str(error)))
                return None
            told = {
                **self._lab,
                "notebook": base64.b64encode(notebook).decode(),
                "variables": dict(variables(path) if variables else {}),
            }
            future = self._client.submit(grade_on_worker, json.dumps(told), pure=False, retries=_RETRIES)
            paths[future.key] = path
            return future

        ahead = max(1, sum(self._client.nthreads().values())) * _AHEAD
        running = as_completed(
            filter(None, map(send, itertools.islice(waiting, ahead))), loop=self._client.loop
        )
        try:
            while not running.is_empty() or refused:
                while refused:
                    yield refused.pop()
                    self._send_next(waiting, send, running)
                if not running.is_empty():
                    future = next(running)
                    self._send_next(waiting, send, running)
                    yield self._result(future, paths.pop(future.key))
        finally:
            with suppress(Exception):
                self._client.cancel(running.futures)

    @staticmethod
    def _send_next(
        waiting: Iterator[Path], send: "Callable[[Path], Future[str] | None]", running: "as_completed"
    ) -> None:
        path = next(waiting, None)
        future = send(path) if path is not None else None
        if future is not None:
            running.add(future)

    def _result(self, future: "Future[str]", path: Path) -> Result:
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        try:
            told = json.loads(future.result())
        except KilledWorker:
            flag = "Workers of the cluster ended with it, one after another; a person should look at it."
            return untested(self._script, path, (flag,))
        except (FutureCancelledError, OSError, TimeoutError) as error:
            raise CivicmlError(
                f"The scheduler does not answer any more ({type(error).__name__}). Marks so far are kept; "
                "start it and run the command again."
            ) from error
        if "trouble" in told:
            raise CivicmlError(f"A worker of the cluster cannot grade this lab: {told['trouble']}")
        return from_json({**told, "submission": str(path)})


@contextmanager
def cluster(cohort: Cohort, week: Week, address: str) -> Generator[Cluster, None, None]:
    """The workers of a Dask scheduler, as graders of the week's lab.

    Every worker needs this package in the same version, and the course and the cohort at the paths they have
    here, as on a disk that all share.

    Args:
        cohort: which cohort.
        week: which week.
        address: of the scheduler, such as ``tcp://10.0.0.5:8786``; ``tls://`` as Dask is configured for it.

    Raises:
        CivicmlError: Dask is not installed, nothing answers there, or there are no workers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise CivicmlError(
            "Grading on a cluster needs Dask: install it with 'pip install civicml[scale]'."
        ) from error
    try:
        # What comes back must be plain: no serialiser here that could run code while reading.
        client = Client(
            address,
            timeout=_CONNECT_SECONDS,
            set_as_default=False,
            deserializers=["msgpack", "dask", "error"],
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise CivicmlError(f"No Dask scheduler answers at {address}.") from error
    try:
        if not client.nthreads():
            raise CivicmlError(
                f"The Dask scheduler at {address} has no workers; start some with 'dask worker'."
            )
        _same_version(client)
        yield Cluster(client, cohort, week)
    finally:
        with suppress(Exception):
            client.close(timeout=5)


def _same_version(client: "Client") -> None:
    from importlib.metadata import version

    here = version("civicml")
    for address, there in client.run(_version).items():
        if there != here:
            raise CivicmlError(
                f"The worker {address} has civicml {there}, and this is {here}; use one version."
            )


# --- on a worker ------------------------------------------------------------------------------------


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("civicml")
    except PackageNotFoundError:
        return "none"


class _Kept(threading.local):
    """What one thread of a Dask worker keeps warm: the grader of the lab it graded last."""

    digest = ""
    grader: Grader | None = None
    scratch: "tempfile.TemporaryDirectory[str] | None" = None


_kept = _Kept()


def grade_on_worker(told: str) -> str:
    """Grade one submission on a worker of a cluster; what is wrong with the worker comes back as text."""
    task: dict[str, Any] = json.loads(told)
    try:
        grader = _grader(task)
        with tempfile.TemporaryDirectory(prefix="civicml-task-", ignore_cleanup_errors=True) as folder:
            notebook = Path(folder, "lab.ipynb")
            notebook.write_bytes(base64.b64decode(task["notebook"]))
            return json.dumps(grader.grade(notebook, task["variables"]).as_json())
    except CivicmlError as error:
        return json.dumps({"trouble": str(error)})


def _grader(task: Mapping[str, str]) -> Grader:
    """This thread's grader of the task's lab: warm if it graded that lab before."""
    if _kept.grader is not None and _kept.digest == task["digest"]:
        return _kept.grader
    lab = Path(task["lab"])
    try:
        content = lab.read_bytes()
    except OSError as error:
        raise CivicmlError(
            f"it cannot read {lab} ({error.strerror}); all workers need the cohort there."
        ) from error
    if hashlib.sha256(content).hexdigest() != task["digest"]:
        raise CivicmlError(f"its {lab} is another; all workers need the same cohort.")
    if not (Path(task["course"]) / "course" / "course.toml").is_file():
        raise CivicmlError(f"there is no course at {task['course']} for it.")
    if why := why_no_sandbox():
        raise CivicmlError(f"it cannot make the sandbox ({why}).")
    if _kept.grader is not None:
        _kept.grader.close()
    _kept.grader, _kept.digest = None, ""
    _kept.scratch = tempfile.TemporaryDirectory(prefix="civicml-store-", ignore_cleanup_errors=True)
    script = read_script(lab)
    settings = engine_settings(script, Path(task["course"]), Path(_kept.scratch.name), Path(task["cohort"]))
    grader = Grader(script, settings)
    grader.learn()
    _kept.grader, _kept.digest = grader, task["digest"]
    return grader
