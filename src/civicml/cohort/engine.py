"""The grading engine, set up for a cohort's week: its lab, its tables, a store for runs.

Says, too, what stands around learners' code on this machine. It must not know where marks
are recorded.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from civicml.autograder.limits import Settings, read_settings
from civicml.autograder.pool import Pool, why_no_sandbox, without_sandbox
from civicml.autograder.script import Script, read_script
from civicml.autograder.surroundings import surround
from civicml.cohort.directory import Cohort
from civicml.course import Week
from civicml.tracking import prepare_store

SETTINGS_FILE = Path("autograder", "sandbox.toml")
Executor = Literal["engine", "nbgrader"]
"""What runs notebooks: our engine, or nbgrader's own executor in a kernel."""


@dataclass(frozen=True)
class Walls:
    """What runs notebooks here, and what stands around them."""

    executor: Executor
    no_sandbox: str
    """Why learners' code is in no sandbox, as a sentence; empty where it is."""


def walls(wanted: Executor = "engine") -> Walls:
    """What will run notebooks when `wanted` is asked for on this machine."""
    reach = "learners' code runs as you and can read what you can. Grade only work that you trust."
    if wanted == "nbgrader":
        return Walls("nbgrader", f"This is no sandbox: nbgrader's own executor is used, and {reach}")
    if sys.platform != "linux":
        return Walls(
            "nbgrader", f"This is no sandbox: it needs Linux. nbgrader's own executor is used, and {reach}"
        )
    why = why_no_sandbox()
    return Walls("engine", f"This is no sandbox ({why}): {reach}" if why else "")


@contextmanager
def grading_pool(cohort: Cohort, week: Week, jobs: int = 1) -> Iterator[Pool]:
    """Warm graders of the week's lab as it was released in the cohort, with the tables it needs.

    Raises:
        CivicmlError: the lab's own solution does not pass its tests here, or no worker can start.
    """
    lab = read_script(cohort.notebook("source", week))
    with (
        tempfile.TemporaryDirectory(prefix="civicml-store-", ignore_cleanup_errors=True) as scratch,
        Pool(lab, engine_settings(lab, cohort.course.root, Path(scratch), cohort.root), jobs) as pool,
    ):
        yield pool


def course_settings(root: Path | None) -> Settings:
    """What ``sandbox.toml`` of the course at `root` says; the defaults where there is none."""
    if root is not None and (root / SETTINGS_FILE).is_file():
        return read_settings(root / SETTINGS_FILE)
    return Settings()


def engine_settings(lab: Script, root: Path | None, scratch: Path, cohort: Path | None = None) -> Settings:
    """The engine's settings for one lab of the course at `root`.

    Args:
        lab: which lab.
        root: the course's directory, with or without a ``sandbox.toml``; None for a lab without a course.
        scratch: an empty directory that lives as long as the engine does.
        cohort: where sealed tables are, if the lab's tests read any.
    """
    settings = course_settings(root)
    if why_no_sandbox():
        settings = without_sandbox(settings)
    store = None
    if lab.modules & {"mlflow", "civicml.tracking"}:
        prepare_store(scratch)
        store = scratch / "mlflow.db"
    return surround(settings, lab, root, cohort=cohort, store=store)
