# ruff: noqa: ANN401 - values of any kind pass through here
"""A worker's warm process: the libraries are imported once, and each submission gets forks of it.

It holds no submission, no test and no secret, because every learner's process begins as a copy of it.
It starts no thread, because only the thread that forks lives on in a fork. While a submission runs, it makes
the forks for the next one: they wait behind their walls until they are given their channels.
"""

import contextlib
import gc
import importlib
import json
import os
import pickle
import random
import select
import signal
import socket
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civicml.autograder import sandbox
from civicml.autograder.limits import Limits

_MESSAGE = 1 << 20
_REAP_SECONDS = 0.005
"""How often to look whether killed processes are gone, while nothing else is asked."""
_PATH = f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin"

# Libraries that start threads when they are imported, and how each is told not to.
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "POLARS_MAX_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "LOKY_MAX_CPU_COUNT": "1",
    "MPLBACKEND": "agg",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}


def main(number: int) -> int:
    """Keep a zygote that talks over the socket `number`."""
    grader = socket.socket(fileno=number)
    told = json.loads(grader.recv(_MESSAGE))
    limits = Limits(**told["limits"])
    if told["sandbox"]:
        status = sandbox.keep()
        if status >= 0:
            return status
        sandbox._mount("proc", "/proc", "proc", 14)
        sandbox.loopback_up()
    _Zygote(grader, told, limits).serve()
    return 0


@dataclass(frozen=True)
class _Spare:
    """A fork that is ready and waits for its channels."""

    child: int
    ours: socket.socket
    """Where they are sent to."""


class _Zygote:
    def __init__(self, grader: socket.socket, told: dict[str, Any], limits: Limits) -> None:
        self._grader, self._told, self._limits = grader, told, limits
        self._kinds = ("service",) if told["service"] else ("answer", "judge")
        self._spawner = sandbox.Spawner() if told["sandbox"] else None
        self._groups = []
        for path in told["groups"]:
            with contextlib.suppress(OSError):
                self._groups.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
        self._roots: dict[str, str] = {}
        self._spares: dict[str, _Spare] = {}
        self._killed: set[int] = set()
        """Children that were killed, and that the kernel is still clearing away."""

    def serve(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._warm_up()
        if self._told["sandbox"]:
            for kind in self._kinds:
                shown = _libraries() | dict(self._told["show"])
                if kind == "judge":
                    shown |= dict(self._told["show_to_tests"])
                self._roots[kind] = sandbox.build_root(self._folder(kind), shown, self._limits.scratch_bytes)
        threads = len(list(Path("/proc/self/task").iterdir())) if Path("/proc/self/task").is_dir() else 1
        self._say({"ready": True, "threads": threads, "imported": self._imported})
        while True:
            self._use_the_wait()
            data, descriptors, _, _ = socket.recv_fds(self._grader, _MESSAGE, 2)
            if not data:
                os._exit(0)
            message = json.loads(data)
            if message["op"] == "fork":
                self._give_out(message["kind"], descriptors)
            elif message["op"] == "interrupt":
                with contextlib.suppress(OSError):
                    os.kill(message["pid"], signal.SIGINT)
                self._say({})
            else:
                self._end(message["pid"])

    def _use_the_wait(self) -> None:
        """Make spare forks and bury killed ones for as long as the grader asks for nothing."""
        while not self._asked(0):
            missing = [kind for kind in self._kinds if kind not in self._spares]
            if missing:
                self._spares[missing[0]] = self._spare(missing[0])
            elif self._killed:
                if self._asked(_REAP_SECONDS):
                    return
                self._bury(os.WNOHANG)
            else:
                return

    def _asked(self, seconds: float) -> bool:
        return bool(select.select([self._grader], [], [], seconds)[0])

    def _bury(self, how: int) -> None:
        for child in sorted(self._killed):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(child, how)[0] == 0:
                    continue
            self._killed.discard(child)

    def _folder(self, name: str) -> str:
        """A directory for this worker; the grader takes it away when the worker has ended."""
        folder = Path(self._told["folder"], name)
        folder.mkdir()
        return str(folder)

    def _say(self, message: dict[str, Any]) -> None:
        self._grader.send(json.dumps(message).encode())

    def _give_out(self, kind: str, descriptors: list[int]) -> None:
        """Give a fork its channels, and tell the grader its number."""
        spare = self._spares.pop(kind, None) or self._spare(kind)
        try:
            self._hand_over(spare, kind, descriptors)
        except OSError:  # something ended it while it waited
            self._kill(spare.child)
            spare = self._spare(kind)
            self._hand_over(spare, kind, descriptors)
        for number in descriptors:
            os.close(number)
        self._say({"pid": spare.child})

    def _hand_over(self, spare: _Spare, kind: str, descriptors: list[int]) -> None:
        with spare.ours:
            if kind != "judge":
                for group in self._groups:
                    with contextlib.suppress(OSError):
                        os.write(group, str(spare.child).encode())
            socket.send_fds(spare.ours, [b"x"], descriptors)

    def _spare(self, kind: str) -> _Spare:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = self._spawner.fork() if self._spawner is not None else os.fork()
        if child:
            theirs.close()
            return _Spare(child, ours)
        try:
            for other in (ours, *(spare.ours for spare in self._spares.values())):
                other.close()
            self._become(kind, theirs)
        except BaseException as error:
            with contextlib.suppress(BaseException):
                import traceback

                os.write(2, "".join(traceback.format_exception(error)).encode())
        finally:
            os._exit(1)

    def _become(self, kind: str, waiting: socket.socket) -> None:
        from civicml.autograder import runs
        from civicml.autograder.channel import Channel

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        strangers = kind != "judge"
        if kind == "answer":
            signal.signal(signal.SIGINT, lambda *_: None)
        limits = self._limits
        if self._told["sandbox"]:
            # Sealed tables can be read by their owner alone, so the tests stay that user.
            sandbox.enter(self._roots[kind], limits, (waiting.fileno(),), nobody=strangers, apart=strangers)
            home = sandbox.HOME
        else:
            home = tempfile.mkdtemp(prefix="run-", dir=self._told["folder"])
            os.chdir(home)
        own = self._told["environment"] if strangers else self._told["tests_environment"]
        for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
            os.environ.pop(name, None)
        plain = {
            "HOME": home,
            "USER": "learner",
            "TMPDIR": "/tmp",  # noqa: S108 - its own
            "PATH": _PATH,
            "IPYTHONDIR": f"{home}/.ipython",
        }
        os.environ.update({**plain, **own})
        store = runs.own_store(self._told["store"], home) if self._told["store"] else None
        _reseed()
        with waiting:
            told, descriptors, _, _ = socket.recv_fds(waiting, 1, 2)
        if not told:  # the worker has ended
            os._exit(0)
        control, data = (Channel(socket.socket(fileno=number)) for number in descriptors)
        if kind == "answer":
            from civicml.autograder import answer

            answer.clean_start(self._shell)
            answer.run(self._shell, control, data, limits, store)
        else:
            quiet = os.open("/dev/null", os.O_RDWR)
            for number in (1, 2):
                os.dup2(quiet, number)
            if kind == "service":
                importlib.import_module(self._told["service"]).run(control, data, limits)
            else:
                from civicml.autograder import judge

                judge.run(control, data, store)
        os._exit(0)

    def _kill(self, pid: int) -> None:
        self._killed.add(pid)
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)

    def _end(self, pid: int) -> None:
        """Kill it, say what it used, and leave to later to wait until the kernel has cleared it away."""
        used = _used(pid)
        self._kill(pid)
        if used is None or used.resident > _resident_of_this() + self._limits.memory_bytes // 8:
            # The next learner's code is under the same limit on memory: do not let this take part of it.
            self._bury(0)
        self._say({"cpu": used.seconds if used else 0.0})

    def _warm_up(self) -> None:
        self._imported = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in (*self._told["imports"], self._told["service"] or "pytest"):
                with contextlib.suppress(ImportError):
                    importlib.import_module(name)
                    self._imported.append(name)
            if self._told["service"]:
                gc.collect()
                gc.freeze()
                return
            from civicml.autograder import answer, judge, shell  # noqa: F401 - the forks have them then

            for name, files, described in self._told["tables"]:
                self._keep_tables(name, Path(files), Path(described))
            self._shell = shell.make_shell(self._folder("ipython"))
            _exercise(self._shell)
        # What is here stays: a collection in a fork would only copy every page of it.
        gc.collect()
        gc.freeze()

    def _keep_tables(self, name: str, files: Path, described: Path) -> None:
        """Read published tables once for all forks: in a child, because reading Parquet starts threads."""
        from civicml.datasets.loading import keep

        place = Path(self._told["folder"], f"{name}.tables")
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                from civicml.datasets.schema import read_schema
                from civicml.datasets.tables import read_tables

                place.write_bytes(pickle.dumps(read_tables(files, read_schema(described), "published"), 5))
                os._exit(0)
            os._exit(1)
        if os.waitpid(child, 0)[1] == 0:
            keep(name, pickle.loads(place.read_bytes()))  # noqa: S301 - written by this process's own fork
        place.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Used:
    seconds: float
    """Of the processor, by it and what it waited for."""
    resident: int
    """Bytes of memory."""


def _used(pid: int) -> _Used | None:
    """What process `pid` has used so far, where the system says so (see proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        waited_for = sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")
        # Linux numbers a process's clock so (see clock_getcpuclockid(3)); ticks alone are 10 ms coarse.
        return _Used(
            time.clock_gettime(~pid << 3 | 2) + waited_for, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        )
    except (OSError, ValueError, IndexError):
        return None


def _resident_of_this() -> int:
    used = _used(os.getpid())
    return used.resident if used else 0


def _libraries() -> dict[str, str]:
    """What Python needs to see: its own tree, site-packages, and this package; not the repository."""
    import civicml

    wanted = {sys.prefix, sys.base_prefix, str(Path(civicml.__file__).parent)}
    wanted |= {
        path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and Path(path).is_dir()
    }
    # What lies inside another of them, or in /usr, is there already.
    roots = [path for path in sorted(wanted) if not Path(path).is_relative_to("/usr")]
    return {
        path: path
        for path in roots
        if not any(path != other and Path(path).is_relative_to(other) for other in roots)
    }


def _exercise(shell: Any) -> None:
    """Use once, before forking, what imports or builds something on first use, and needs no OpenMP."""
    shell.run_cell("1 + 1", store_history=False, silent=True)
    if "pandas" in sys.modules:
        import pandas as pd

        frame = pd.DataFrame({"a": [1, 2, 2], "b": ["x", "y", "y"], "c": [0.5, 1.5, None]})
        frame["d"] = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"])
        frame.groupby("b", observed=True)["a"].agg(["mean", "sum"]).to_html()
        frame.merge(frame, on="a").describe().to_string()
        frame.query("a > 1").pivot_table(index="b", values="c").sort_index()
        pd.testing.assert_frame_equal(frame, frame.copy())
        frame._repr_html_()  # type: ignore[operator]
        from civicml.autograder.values import Reader, Writer

        writer = Writer()
        node = writer.write(frame)
        Reader(writer.parts).read(node)
    if "mlflow.store.tracking.sqlalchemy_store" in sys.modules:
        from sqlalchemy.orm import configure_mappers

        configure_mappers()
    if "matplotlib.pyplot" in sys.modules:
        import io

        import matplotlib.pyplot as plt

        figure, axes = plt.subplots()
        axes.plot([1, 2], [1, 4], label="a")
        axes.set_xlabel("x")
        axes.legend()
        figure.savefig(io.BytesIO(), format="png")
        plt.close("all")
    shell.outputs.begin()


def _reseed() -> None:
    """Forks of one process would all draw the same numbers."""
    random.seed()
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
