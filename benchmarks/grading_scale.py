"""From one submission to a thousand: is grading linear, and does the memory of who writes marks stay flat?

Each step grades and records copies of a lab in a gradebook of its own, in a process of its own, so that one
step's memory is not another's. Used by ``benchmarks/grading.py``.
"""

import multiprocessing
import resource
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civicml.autograder.limits import Settings
from civicml.autograder.pool import Pool
from civicml.autograder.record import recording
from civicml.autograder.settings import logging_to, open_gradebook

ASSIGNMENT = "lab"


@dataclass(frozen=True)
class Step:
    """What grading and recording some submissions took, workers' start left out."""

    submissions: int
    jobs: int
    seconds: float
    first_megabytes: float
    """The most memory that the writer had used when the first mark was recorded."""
    megabytes: float
    """And when the last was."""

    def __str__(self) -> str:
        each = self.seconds / self.submissions
        return (
            f"{self.submissions:>5} submissions, {self.jobs} worker{'s' * (self.jobs > 1)}: "
            f"{self.seconds:.1f} s, "
            f"{each:.3f} s each; writer's memory {self.first_megabytes:.0f} MB after the first, "
            f"{self.megabytes:.0f} MB after the last"
        )


def measure(lab: Path, submissions: int, jobs: int, settings: Settings, folder: Path) -> Step:
    """Grade and record `submissions` copies of `lab`; `folder` is for the course directory."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(_measure, lab, submissions, jobs, settings, folder).result()


def _measure(lab: Path, submissions: int, jobs: int, settings: Settings, folder: Path) -> Step:
    learners = [f"s{number:05}" for number in range(submissions)]
    with logging_to(None):
        config = _course(lab, learners, folder)
        paths = {folder / "submitted" / one / ASSIGNMENT / "lab.ipynb": one for one in learners}
        first = 0.0
        with Pool(lab, settings, jobs) as pool, recording(config, ASSIGNMENT) as recorder:
            list(pool.grade(list(paths)[:1] * jobs))
            began = time.perf_counter()
            for result in pool.grade(paths):
                recorder.record(paths[Path(result.submission)], result)
                first = first or _megabytes()
            seconds = time.perf_counter() - began
    return Step(submissions, jobs, seconds, first, _megabytes())


def _course(lab: Path, learners: list[str], folder: Path) -> Any:
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
    source = folder / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    shutil.copy(lab, source / "lab.ipynb")
    with open_gradebook(config) as gradebook:
        for learner in learners:
            gradebook.update_or_create_student(learner)
    made = NbGraderAPI(config=config).generate_assignment(ASSIGNMENT)
    if not made["success"]:
        raise SystemExit(made["error"])
    for learner in learners:
        place = folder / "submitted" / learner / ASSIGNMENT
        place.mkdir(parents=True)
        shutil.copy(lab, place / "lab.ipynb")
    return config


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
