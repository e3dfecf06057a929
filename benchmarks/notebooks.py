"""How long notebooks take: ``python benchmarks/notebooks.py [WEEK …] [--repeat N]``.

Runs each notebook of the written weeks (or of those named) in a fresh kernel, from a cache
that is already built, and shows the whole time, the slowest cell and what the standard
allows: 20 s a cell, 60 s a notebook. The fastest of N runs counts; the machine's other
work only ever adds.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from rich.console import Console
from rich.progress import track
from rich.table import Table

from civicml.autograder.settings import environment
from civicml.course import load_course
from civicml.datasets import load
from civicml.rehearsal import scratch_cohort
from civicml.standard.notebooks import LONGEST_CELL, LONGEST_NOTEBOOK, cell_seconds
from civicml.standard.sheet import Sheet

CELL_TIMEOUT = 300


@dataclass(frozen=True)
class Timing:
    """One run of one notebook, kernel start left out."""

    seconds: float
    slowest_cell: int
    slowest_seconds: float


def time_notebook(path: Path, cohort: Path) -> Timing:
    """Run a copy of the notebook in `path` and add up what its cells took."""
    with tempfile.TemporaryDirectory(prefix="civicml-bench-") as scratch:
        folder = Path(scratch, path.parent.name)
        shutil.copytree(path.parent, folder)
        notebook = nbformat.read(path, as_version=4)
        variables = {
            "CIVICML_COHORT": str(cohort),
            "CIVICML_LEARNER": "bench",
            "MLFLOW_TRACKING_URI": f"sqlite:///{Path(scratch, 'tracking', 'mlflow.db')}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "HF_HUB_OFFLINE": "1",
        }
        with environment(variables):
            NotebookClient(
                notebook, timeout=CELL_TIMEOUT, resources={"metadata": {"path": str(folder)}}
            ).execute(stderr=subprocess.DEVNULL)
    cells = dict(cell_seconds(Sheet(path.name, notebook)))
    slowest = max(cells, key=lambda position: cells[position])
    return Timing(sum(cells.values()), slowest, cells[slowest])


def main() -> None:
    """Time the notebooks and show a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("weeks", nargs="*", help="weeks; all written ones if not given")
    arguments.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of each notebook")
    options = arguments.parse_args()
    course = load_course()
    weeks = [course.week(name) for name in options.weeks] or course.written_weeks
    paths = [path for week in weeks for path in sorted(course.folder(week).glob("*.ipynb"))]
    for dataset in {name for week in weeks for name in week.datasets}:
        load(dataset)
    table = Table(title=f"{os.cpu_count()} cores, best of {options.repeat}")
    for heading in ("notebook", f"s (≤ {LONGEST_NOTEBOOK})", "slowest cell", f"s (≤ {LONGEST_CELL})"):
        table.add_column(heading, justify="left" if heading == "notebook" else "right")
    with scratch_cohort(course) as cohort, environment({"CIVICML_COURSE": str(course.root)}):
        for path in track(paths, "running"):
            runs = [time_notebook(path, cohort.root) for _ in range(options.repeat)]
            best = min(runs, key=lambda run: run.seconds)
            over = best.seconds > LONGEST_NOTEBOOK or best.slowest_seconds > LONGEST_CELL
            table.add_row(
                f"{path.parent.name[:6]} {path.stem}",
                f"{best.seconds:.1f}",
                str(best.slowest_cell),
                f"{best.slowest_seconds:.1f}",
                style="red" if over else None,
            )
    Console().print(table)


if __name__ == "__main__":
    main()
