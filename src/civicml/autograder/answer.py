# ruff: noqa: ANN401 - values of any kind pass through here
"""The process that runs a learner's cells. Nothing in it is trusted, and nothing in it is worth stealing.

It takes cells from the grader, gives back their outputs, and lets the tests use what the cells defined.
It must never be sent a test, a solution, or anybody else's work.
"""

import builtins
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from civicml.autograder import runs
from civicml.autograder.beside import lay_out
from civicml.autograder.channel import Channel, ChannelError
from civicml.autograder.limits import Limits
from civicml.autograder.remote import Link
from civicml.autograder.shell import GradingShell, take_over_streams


class _Interrupts:
    """Lets a time limit stop a cell that is running, and nothing else."""

    running = False

    @classmethod
    def install(cls) -> None:
        signal.signal(signal.SIGINT, cls._handle)

    @classmethod
    def _handle(cls, number: int, frame: Any) -> None:
        if cls.running:
            raise KeyboardInterrupt


def run(shell: GradingShell, control: Channel, data: Channel, limits: Limits, store: Path | None) -> None:
    """Serve the grader until it goes away."""
    shell.outputs.most_bytes, shell.outputs.most = limits.output_bytes, limits.outputs
    below = [_own_file(number) for number in (1, 2)]
    take_over_streams(shell)
    builtins.input = _no_input
    _Interrupts.install()
    link = Link(data, trusting=True)
    taken: dict[str, Any] = {}
    link.serve_more = lambda message, values: _look_up(shell, message, store, taken)
    while True:
        ready, _, _ = select.select([control, data], [], [])
        try:
            if control in ready:
                message, parts = control.receive()
                control.send(_obey(shell, below, message, parts))
            elif data in ready:
                asked, parts = data.receive()
                _Interrupts.running = True
                try:
                    link.serve(asked[1], parts)
                finally:
                    _Interrupts.running = False
        except KeyboardInterrupt:
            continue
        except ChannelError:
            return


def _obey(
    shell: GradingShell, below: list[int], message: dict[str, Any], parts: list[memoryview]
) -> dict[str, Any]:
    if message["op"] == "prepare":
        os.environ.update(message["variables"])
        lay_out(message["files"], parts)
        return {}
    began = time.perf_counter()
    shell.outputs.begin()
    _Interrupts.running = True
    failed = True
    try:
        result = shell.run_cell(message["source"], store_history=True)  # type: ignore[no-untyped-call]
        failed = not result.success
    except KeyboardInterrupt:
        shell.showtraceback()
    finally:
        _Interrupts.running = False
    for number, name in zip(below, ("stdout", "stderr"), strict=True):
        text = _taken(number, shell.outputs.most_bytes)
        if text:
            shell.outputs.text(name, text)
    return {
        "outputs": shell.outputs.finished(),
        "count": shell.execution_count - 1,
        "failed": failed,
        "seconds": time.perf_counter() - began,
    }


def _look_up(shell: GradingShell, message: dict[str, Any], store: Path | None, taken: dict[str, Any]) -> Any:
    if message["do"] == "store stamp":
        return runs.stamp(store)
    if message["do"] == "store":
        return runs.content(store)
    if message["do"] == "names":
        return [name for name in shell.user_ns if isinstance(name, str) and not name.startswith("_")]
    name = message["name"]
    if message["do"] == "put back":
        shell.user_ns[name] = taken.pop(name)
        return None
    if name not in shell.user_ns:
        raise NameError(f"name '{name}' is not defined")
    if message["do"] == "take":
        taken[name] = shell.user_ns.pop(name)
        return None
    return shell.user_ns[name]


def _own_file(number: int) -> int:
    """Send what is written below Python, by C code or another program, to a file; returns its descriptor."""
    path = f"/tmp/.written-{number}-{os.getpid()}"  # noqa: S108 - this process's own /tmp
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    Path(path).unlink()
    os.dup2(file, number)
    return file


def _taken(file: int, most: int) -> str:
    size = os.fstat(file).st_size
    if not size:
        return ""
    data = os.pread(file, most, 0)
    os.ftruncate(file, 0)
    return data.decode("utf-8", "replace")


def _no_input(prompt: object = "") -> str:
    raise RuntimeError("input() cannot be used here: nobody is there to answer while a lab is graded.")


def clean_start(shell: GradingShell) -> None:
    """Forget what the worker knew that a notebook should not see."""
    sys.argv = ["notebook"]
    sys.path[:] = ["", *(path for path in sys.path if path)]
    shell.user_ns.pop("_exit_code", None)
