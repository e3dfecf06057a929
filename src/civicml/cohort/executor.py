"""The grading engine in the place of nbgrader's ``Execute``: for ``nbgrader autograde`` and Formgrader.

Tests are run apart from the learner's cells, in sandboxes, and what they say is left as the outputs from
which nbgrader reads its marks. It must not know where marks are recorded.
"""

import atexit
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import determine_grade
from traitlets import Unicode

from civicml.autograder.beside import files_beside
from civicml.autograder.execute import GuardedExecute
from civicml.autograder.grade import LEARNER_VARIABLE
from civicml.autograder.limits import Settings
from civicml.autograder.pool import Grader, why_no_sandbox, without_sandbox
from civicml.autograder.script import Cell, Script, read_cell, read_script
from civicml.autograder.verdict import AFTER_TESTS, HIDDEN, MESSAGE, NO_VERDICT
from civicml.cohort.engine import engine_settings
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

    from civicml.autograder.session import Ran, Session
    from civicml.autograder.verdict import Verdict

_IDLE_SECONDS = 120.0
"""How long a warm worker is kept for the next notebook: Formgrader's server lives for days."""
_NO_LIMIT = 1e7
_EXECUTION = ("NBGRADER_EXECUTION", "NBGRADER_VALIDATING")


class EngineExecute(GuardedExecute):
    """Runs a notebook as nbgrader hands it over, after its sanitising steps.

    Where the engine cannot run (no Linux, no Python notebook) it is `GuardedExecute`.
    """

    course = Unicode("", help="The course's directory, for its tables and its sandbox.toml.").tag(config=True)
    cohort = Unicode("", help="The cohort's directory, for sealed tables.").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict, km: "KernelManager | None" = None
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Run every cell and judge every test; a test that did not pass holds an error afterwards."""
        why_not = _why_not_here(nb)
        if why_not:
            self.log.warning("%s: nbgrader's own executor runs this notebook.", why_not)
            return super().preprocess(nb, resources, km)
        if why_no_sandbox():
            self.log.warning("This is no sandbox (%s).", why_no_sandbox())
        of = resources.get("nbgrader", {})
        source = self._source(of) if of else None
        lab = read_lab(nb, source)
        if of and lab is None:
            self.log.warning("No source for this notebook: tests may only ask for data and call functions.")
        session = self._judged(nb, lab, source, of.get("student", ""))
        for cell, ran in zip(nb.cells, session.ran, strict=True):
            if cell.cell_type == "code":
                self._fill(cell, ran, session, keep=bool(of))
        for flag in session.flags:
            self.log.warning("%s: %s", of.get("student", "notebook"), flag)
        return nb, resources

    def _source(self, of: dict[str, Any]) -> Path | None:
        """The instructor's notebook, which lies beside the course directory's other steps."""
        directory = CourseDirectory(parent=self)
        folder = Path(directory.format_path(directory.source_directory, ".", of["assignment"]))
        path = folder / f"{of['notebook']}.ipynb"
        return path if path.is_file() else None

    def _judged(self, nb: NotebookNode, lab: Script | None, source: Path | None, learner: str) -> "Session":
        script = lab or Script(tuple(read_cell(place, cell) for place, cell in enumerate(nb.cells)), {})
        numbers = {cell.name: cell.number for cell in script.cells if cell.name}
        cells = tuple(
            replace(cell, number=numbers.get(cell.name, -1)) if lab else cell
            for cell in (read_cell(place, cell) for place, cell in enumerate(nb.cells))
        )
        variables = {name: os.environ[name] for name in _EXECUTION if name in os.environ}
        if learner:
            variables[LEARNER_VARIABLE] = learner
        files = files_beside(source.parent) if source else _files_named(nb)
        with _warm_grader(self._about(script, files), lambda: self._grader(script, files)) as grader:
            if grader.places is None:
                self._learn(grader, lab)
            session, _ = grader.run(cells, variables)
        if session is None:
            # No marks rather than none earned: the machine may be at fault.
            raise RuntimeError(
                "grading ended twice without a result; a person should look at this submission"
            )
        return session

    def _about(self, lab: Script, files: tuple[tuple[str, str], ...]) -> tuple[Any, ...]:
        """Changes with whatever a grader would have to be made anew for."""
        times = tuple(Path(path).stat().st_mtime_ns for _, path in files)
        return (lab.digest, self.course, self.cohort, self.timeout, self.notebook_timeout, files, times)

    def _grader(self, lab: Script, files: tuple[tuple[str, str], ...]) -> "_Warm":
        scratch = tempfile.TemporaryDirectory(prefix="civicml-store-", ignore_cleanup_errors=True)
        if self.course:
            cohort = Path(self.cohort) if self.cohort else None
            settings = engine_settings(lab, Path(self.course), Path(scratch.name), cohort)
        else:
            settings = without_sandbox(Settings()) if why_no_sandbox() else Settings()
        limits = replace(
            settings.limits,
            cell_seconds=float(self.timeout or _NO_LIMIT),
            notebook_seconds=float(self.notebook_timeout or _NO_LIMIT),
        )
        return _Warm(Grader(lab, replace(settings, limits=limits, files=files)), scratch)

    def _learn(self, grader: Grader, lab: Script | None) -> None:
        """See where the lab's own solution has objects; a lab that fails its own tests is still graded."""
        grader.places = {}
        if lab is None or not any(cell.kind == "test" for cell in lab.cells):
            return
        for verdict in grader.learn_what_passes():
            self.log.warning(
                "The lab's own solution does not pass its test '%s': %s", verdict.name, verdict.message
            )

    def _fill(self, cell: NotebookNode, ran: "Ran", session: "Session", *, keep: bool) -> None:
        outputs = ran.outputs
        if ran.cell.kind == "test":
            verdict = next((found for found in session.verdicts if found.name == ran.cell.name), None)
            outputs = self._outputs_of_test(cell, outputs, verdict)
            if keep:
                cell.metadata |= {MESSAGE: ran.message, HIDDEN: ran.hidden}
        elif keep and ran.after_tests:
            cell.metadata[AFTER_TESTS] = True
        cell.outputs = [nbformat.from_dict(output) for output in outputs]  # type: ignore[no-untyped-call]
        cell.execution_count = ran.count
        if ran.cell.kind == "test" and not _earns_as_judged(cell, verdict):
            cell.outputs = [_error(NO_VERDICT, "This test gave no verdict that can be relied on.")]

    def _outputs_of_test(
        self, cell: NotebookNode, outputs: list[dict[str, Any]], verdict: "Verdict | None"
    ) -> list[dict[str, Any]]:
        if verdict is not None and verdict.status == "failed" and "took more than" in verdict.detail:
            return [{"output_type": "error", **self.error_on_timeout}]
        return outputs


def _why_not_here(nb: NotebookNode) -> str:
    if sys.platform != "linux":
        return "The engine needs Linux"
    kernel = nb.metadata.get("kernelspec", {}).get("name", "python3")
    # The lab's own, which nbgrader has written over the submission's.
    return "" if kernel in ("python3", "python") else f"The engine runs Python, not the kernel '{kernel}'"


def _earns_as_judged(cell: NotebookNode, verdict: "Verdict | None") -> bool:
    """Whether nbgrader will read off the outputs what the test's verdict says, and not more."""
    if verdict is None or verdict.status not in ("passed", "partial"):
        return any(output.output_type == "error" for output in cell.outputs)
    points, _ = determine_grade(cell)
    return points is not None and points == verdict.points


def _error(name: str, text: str) -> NotebookNode:
    error: NotebookNode = nbformat.v4.new_output(  # type: ignore[no-untyped-call]
        "error", ename=name, evalue=text, traceback=[f"{name}: {text}"]
    )
    return error


def _files_named(nb: NotebookNode) -> tuple[tuple[str, str], ...]:
    """The files of the working directory that a notebook names, where it is its owner who runs it."""
    return files_beside(Path.cwd(), "\n".join(cell.source for cell in nb.cells) or " ")


def read_lab(nb: NotebookNode, source: Path | None) -> Script | None:
    """The instructor's notebook, with the locked cells as `nb` has them: from nbgrader's gradebook.

    None where there is none, or where it has other cells than the gradebook; without it nobody knows
    where the lab's own solution has objects.
    """
    if source is None:
        return None
    try:
        script = read_script(source)
    except CivicmlError:
        return None  # of an older format, which nbgrader reads and writes anew
    given = [read_cell(place, cell) for place, cell in enumerate(nb.cells)]
    named = {cell.name: cell for cell in given if cell.name}
    if any(
        script.by_name.get(name) is None or script.by_name[name].kind != c.kind for name, c in named.items()
    ):
        return None

    def as_graded(cell: Cell) -> Cell:
        ours = named.get(cell.name)
        return replace(cell, source=ours.source) if ours and cell.kind in ("test", "lab") else cell

    return replace(script, cells=tuple(map(as_graded, script.cells)))


# --- a worker kept warm from one notebook to the next -----------------------------------------------


@dataclass
class _Warm:
    """A grader, and the directory that its settings name."""

    grader: Grader
    scratch: tempfile.TemporaryDirectory[str]
    about: tuple[Any, ...] = ()
    uses: int = 0


_lock = threading.Lock()
_kept: list[_Warm] = []


@contextmanager
def _warm_grader(about: tuple[Any, ...], make: Callable[[], _Warm]) -> Iterator[Grader]:
    """The grader of the notebook before, if that was `about` the same; one user at a time."""
    with _lock:
        warm = _kept.pop() if _kept else None
        if warm is None or warm.about != about:
            before, warm = warm, make()
            warm.about = about
            if before is not None:
                warm.grader.take_over(before.grader)
                _end(before)
        try:
            yield warm.grader
        except BaseException:
            _end(warm)
            raise
        warm.uses += 1
        _kept.append(warm)
        _end_when_idle(warm)


def _end_when_idle(warm: _Warm) -> None:
    uses = warm.uses

    def look() -> None:
        with _lock:
            if warm in _kept and warm.uses == uses:
                _kept.remove(warm)
                _end(warm)

    timer = threading.Timer(_IDLE_SECONDS, look)
    timer.daemon = True
    timer.start()


def _end(warm: _Warm) -> None:
    warm.grader.close()
    warm.scratch.cleanup()


@atexit.register
def _end_all() -> None:
    for warm in _kept:
        _end(warm)
    _kept.clear()
