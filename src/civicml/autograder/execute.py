"""Runs a notebook the way nbgrader does, but never lets an unfinished run pass for a good one.

nbgrader reads marks off outputs, so a test cell that never ran has no error and earns full
marks. Here a cell that kills or hangs the kernel is marked as failed and the rest is run
without it. It must not know what a cell is worth.
"""

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Bool, Dict, Integer

_MOST_RESTARTS = 3
"""After this many dead kernels nothing more is run: the remaining cells count as failed."""
_MOST_STARTS = 3
"""How often a kernel that does not start is tried again before the machine is blamed."""


class KernelStartError(RuntimeError):
    """No kernel starts on this machine. No submission can be the cause: none has run yet."""


class GuardedExecute(Execute):  # type: ignore[misc]
    """nbgrader's Execute, failing closed. Takes nbgrader's settings for ``Execute`` too."""

    notebook_timeout = Integer(600, help="Seconds that a whole notebook may take.").tag(config=True)
    scratch = Bool(True, help="Run in an empty directory instead of beside the notebook.").tag(config=True)
    environment = Dict(help="Variables for the notebook, over this process's own.").tag(config=True)
    longest_output = Integer(100_000, help="Characters kept of one text output.").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict, km: KernelManager | None = None
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Run every cell; a cell that could not be run to its end holds an error afterwards."""
        resources.setdefault("metadata", {})
        beside = resources["metadata"].get("path", "")
        self._variables = dict(os.environ)
        with tempfile.TemporaryDirectory(prefix="civicml-run-", ignore_cleanup_errors=True) as scratch:
            self._sockets = Path(scratch)
            if self.scratch:
                empty = Path(scratch, "run")
                empty.mkdir()
                resources["metadata"]["path"] = str(empty)
                # Runs that a graded notebook logs are not the learner's own; the store is made on first use.
                self._variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{scratch}/tracking/mlflow.db"
                if learner := resources.get("nbgrader", {}).get("student"):
                    self._variables["CIVICML_LEARNER"] = learner
            self._variables |= self.environment
            try:
                self._run(nb, resources, km)
            finally:
                resources["metadata"]["path"] = beside
                _drop_what_waits()
        return nb, resources

    def _run(self, nb: NotebookNode, resources: ResourcesDict, km: KernelManager | None) -> None:
        self._stopped: dict[int, NotebookNode] = {}
        not_started = 0
        self._deadline = time.monotonic() + self.notebook_timeout
        while True:
            self._done: set[int] = set()
            self._current = -1
            try:
                super().preprocess(nb, resources, km)
                break
            except (RuntimeError, CellTimeoutError) as error:
                if self._current < 0:
                    not_started += 1
                    if not_started == _MOST_STARTS:
                        reason = f"{not_started} times over, no kernel started: {error}"
                        raise KernelStartError(reason) from error
                    continue
                if not isinstance(error, DeadKernelError | CellTimeoutError):
                    raise
                self._stopped[self._current] = _failure(
                    *(
                        ("CellTimeoutError", "This cell took too long and could not be interrupted.")
                        if isinstance(error, CellTimeoutError)
                        else ("DeadKernelError", "This cell ended the Python process it ran in.")
                    )
                )
                if len(self._stopped) > _MOST_RESTARTS:
                    break
        for number, cell in enumerate(nb.cells):
            if cell.cell_type == "code" and cell.source.strip() and number not in self._done:
                cell.outputs = [
                    self._stopped.get(number) or _failure("NotRunError", "This cell was not run.")
                ]

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Run one cell, unless it stopped the kernel before or the notebook's time is up."""
        if index in self._stopped or time.monotonic() > self._deadline:
            return cell, resources
        self._current = index
        result = super().preprocess_cell(cell, resources, index)
        self._done.add(index)
        return result  # type: ignore[no-any-return]

    def on_cell_executed(self, *, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        """In a graded cell an error counts whatever was displayed before it; long outputs are cut."""
        super().on_cell_executed(cell=cell, cell_index=cell_index, execute_reply=execute_reply)
        if execute_reply["content"]["status"] == "error" and is_grade(cell):
            cell.outputs.sort(key=lambda output: output.output_type != "error")
        for output in cell.outputs:
            self._cut(output)

    def _cut(self, output: NotebookNode) -> None:
        texts = output if output.output_type == "stream" else output.get("data", {})
        for kind in ("text", "text/plain", "text/html"):
            text = texts.get(kind)
            if isinstance(text, str) and len(text) > self.longest_output:
                texts[kind] = f"{text[: self.longest_output]}\n… cut: {len(text):,} characters in all"

    def start_new_kernel(self, **kwargs: object) -> None:
        """Start the kernel without our terminal: what it says below Python is for nobody."""
        kwargs.setdefault("env", self._variables)
        kwargs.setdefault("stdout", subprocess.DEVNULL)
        kwargs.setdefault("stderr", subprocess.DEVNULL)
        # Not over the network: two kernels that start at once may be given the same ports, and one dies.
        place = tempfile.mkdtemp(prefix="kernel-", dir=self._sockets)
        self.km.transport = "ipc"
        self.km.connection_file = f"{place}/kernel.json"
        self.km.ip = f"{place}/kernel"
        super().start_new_kernel(**kwargs)


def _drop_what_waits() -> None:
    """End what an interrupted run left waiting; asyncio would complain of it on the screen some day."""
    loop = ensure_event_loop()
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    if waiting:
        loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))


def _failure(name: str, message: str) -> NotebookNode:
    error: NotebookNode = new_output(  # type: ignore[no-untyped-call]
        "error", ename=name, evalue=message, traceback=[f"{name}: {message}"]
    )
    return error
