"""Runs every notebook of the written weeks and compares what it prints with what is stored.

nbval does the running and comparing. Two things are ours. The notebooks are collected here, so
that plain ``pytest`` finds them. And a notebook is one test: its cells share a kernel, so they
must run in one process, in order, whatever ``-n``, ``--dist``, ``-k`` or ``--lf`` say.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel
from nbval.plugin import IPyNbFile, NbCellError

from civicml.autograder.settings import environment
from civicml.cohort import init
from civicml.course import Week, load_course
from civicml.datasets import load

ROOT = Path(__file__).parents[2]
COMPARISON = "sanitise.cfg"
CELL_TIMEOUT = 120
"""Seconds until a cell counts as hanging; how long one should take is benchmarks/notebooks.py's matter."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector):
    # One file stands for all notebooks: the one that says how their outputs are compared.
    if file_path == Path(__file__).with_name(COMPARISON):
        return Modules.from_parent(parent, path=file_path)
    return None


class Modules(pytest.File):
    """The notebooks of every written week."""

    def collect(self):
        course = load_course(ROOT)
        for week in course.written_weeks:
            for path in sorted(course.folder(week).glob("*.ipynb")):
                yield Notebook.from_parent(self, path=path, week=week)


class Notebook(IPyNbFile):
    """One notebook, in a kernel of this environment, in a copy of its week's folder."""

    def __init__(self, *, week: Week, **kwargs):
        super().__init__(**kwargs)
        self.week = week

    def collect(self):
        cells = list(super().collect())
        code = [n for n, cell in enumerate(self.nb.cells, start=1) if cell.cell_type == "code"]
        for cell, position in zip(cells, code, strict=True):
            cell.cell_num = position  # as `civicml standard` counts: over all cells, from 1
        yield WholeNotebook.from_parent(self, name="every cell", cells=cells)

    def get_sanitize_files(self):
        return [str(Path(__file__).with_name(COMPARISON))]

    def setup(self):
        self.config.option.nbval_cell_timeout = CELL_TIMEOUT
        shared = shared_state(self.config, self.week)
        # A copy: what a notebook writes beside itself stays out of the repository.
        self.place = Path(tempfile.mkdtemp(prefix="notebook-", dir=shared))
        folder = self.place / self.path.parent.name
        shutil.copytree(self.path.parent, folder, ignore=shutil.ignore_patterns(".*"))
        variables = {
            "CIVICML_COURSE": str(ROOT),
            "CIVICML_CACHE": str(shared / "cache"),
            "CIVICML_COHORT": str(shared / "cohort"),
            "CIVICML_LEARNER": "learner",
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.place / 'tracking' / 'mlflow.db'}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "HF_HUB_OFFLINE": "1",
            "IPYTHONDIR": str(self.place / "ipython"),
            "OMP_NUM_THREADS": "1",  # two notebooks side by side would wait for each other's threads
            "OPENBLAS_NUM_THREADS": "1",
        }
        # On a build server pytest, which a lesson runs, prints more than on a learner's machine.
        servers = {name: os.environ.pop(name) for name in ("CI", "BUILD_NUMBER") if name in os.environ}
        try:
            with environment(variables):
                self.kernel = RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=str(folder))
        finally:
            os.environ.update(servers)
        self.setup_sanitize_files()

    def teardown(self):
        super().teardown()
        shutil.rmtree(self.place, ignore_errors=True)


class WholeNotebook(pytest.Item):
    """All cells of a notebook, in order; one that differs does not keep the next from being compared."""

    def __init__(self, *, cells, **kwargs):
        super().__init__(**kwargs)
        self.cells = cells

    def runtest(self):
        failures = []
        for cell in self.cells:
            try:
                cell.runtest()
            except NbCellError as error:
                failures.append((cell, error))
                if "differ" not in str(error):
                    break  # it raised or hung: what follows would fail for want of it
        if failures:
            raise NotebookError(failures)

    def repr_failure(self, excinfo):
        if not isinstance(excinfo.value, NotebookError):
            return super().repr_failure(excinfo)
        said = []
        for cell, error in excinfo.value.failures:
            said.append(cell.repr_failure(_Raised(error)))
        return "\n".join(said)

    def reportinfo(self):
        return self.path, 0, f"{self.path.parent.name}/{self.path.name}"


class NotebookError(Exception):
    """Cells that did not do what is stored, each with its error."""

    def __init__(self, failures):
        super().__init__(f"{len(failures)} cells")
        self.failures = failures


class _Raised:
    """What nbval's own report asks of pytest's ExceptionInfo."""

    def __init__(self, value):
        self.value = value


def shared_state(config: pytest.Config, week: Week) -> Path:
    """A directory for all workers of this session, with the datasets and one cohort in it.

    Whoever comes first builds them, the others wait.
    """
    place = Path(config._tmp_path_factory.getbasetemp())
    if hasattr(config, "workerinput"):
        place = place.parent
    place = place / "notebooks"
    place.mkdir(exist_ok=True)
    with (
        environment({"CIVICML_COURSE": str(ROOT), "CIVICML_CACHE": str(place / "cache")}),
        FileLock(place / ".lock"),
    ):
        for dataset in week.datasets:
            load(dataset)
        if not (place / "cohort").exists():
            init(place / "cohort", name="notebooks")
    return place
