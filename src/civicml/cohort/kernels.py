"""Grading with nbgrader's own executor: a kernel for each submission, several processes side by side.

The stock way, kept to compare with and for machines on which the engine cannot run. No sandbox:
learners' code runs as whoever grades. It must not know who is enrolled.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from civicml.autograder.grade import grade_submission
from civicml.cohort.directory import Cohort, open_cohort
from civicml.cohort.records import Record, forget_record, write_record
from civicml.course import Week
from civicml.datasets.using import PUBLISHED, SOURCE_VARIABLE
from civicml.errors import CivicmlError
from civicml.tracking import prepare_store

Report = Callable[[int, int, str], None]
"""Called with (how many are done, how many there are to do, who is next)."""


def grade_in_kernels(cohort: Cohort, week: Week, wanted: dict[str, str], jobs: int, report: Report) -> None:
    """Grade and record each of `wanted`: the learner's id, and the fingerprint to note.

    Raises:
        CivicmlError: a grading process died, or the disk or the database refuses; marks so far are kept.
    """
    if jobs > 1 and len(wanted) > 1:
        _grade_side_by_side(cohort, week, wanted, jobs, report)
        return
    for number, (one, fingerprint) in enumerate(wanted.items()):
        report(number, len(wanted), one)
        _grade_one(cohort, week, one, fingerprint)


def _grade_one(cohort: Cohort, week: Week, learner: str, fingerprint: str) -> None:
    forget_record(cohort, week, learner)
    with tempfile.TemporaryDirectory(prefix="civicml-grade-", ignore_cleanup_errors=True) as scratch:
        outcome = grade_submission(
            cohort.settings, week.name, learner, variables(cohort.root, cohort.course.root, Path(scratch))
        )
    write_record(
        cohort,
        week,
        learner,
        Record(
            fingerprint=fingerprint,
            problem=outcome.problem,
            blank=outcome.blank,
            notes=outcome.notes,
            seconds=outcome.seconds,
        ),
    )


def _grade_side_by_side(
    cohort: Cohort, week: Week, wanted: dict[str, str], jobs: int, report: Report
) -> None:
    """Grade on `jobs` processes; each opens the cohort for itself and records marks as one alone does."""
    # Spawned, not forked: a fork would share this process's open database and event loop.
    with ProcessPoolExecutor(
        max_workers=min(jobs, len(wanted)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_become_grader,
        initargs=(cohort.root, cohort.course.root),
    ) as pool:
        report(0, len(wanted), "")
        grading = {pool.submit(_grade_in_process, week.name, *one): one[0] for one in wanted.items()}
        try:
            for number, done in enumerate(as_completed(grading), start=1):
                done.result()
                report(number, len(wanted), grading[done])
        except BrokenProcessPool as error:
            raise CivicmlError(
                "A grading process died; the machine may be short of memory. Marks so far are kept; run the "
                "command again, with fewer jobs."
            ) from error
        except BaseException:
            # What is being graded now is finished and kept; nothing further is begun.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_grader: list[Cohort] = []
"""In a grading process: the cohort that it grades for."""


def _become_grader(root: Path, course: Path) -> None:
    # The command answers Ctrl-C; a grading process finishes what it is at, and ends with the command.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # see civicml.cli.main
    os.environ["CIVICML_COURSE"] = str(course)
    _grader.append(open_cohort(root))


def _end_with_the_command() -> None:
    command = multiprocessing.parent_process()
    if command is not None:
        command.join()
        os._exit(1)


def _grade_in_process(week: str, learner: str, fingerprint: str) -> None:
    cohort = _grader[0]
    with cohort.logged():
        _grade_one(cohort, cohort.course.week(week), learner, fingerprint)


def variables(cohort: Path, course: Path, scratch: Path) -> dict[str, str]:
    """The environment of a learner's code while it is graded: its own store, one thread, no network."""
    return scratch_variables(scratch) | {
        "CIVICML_COHORT": str(cohort),  # hidden tests read the sealed data there
        "CIVICML_COURSE": str(course),  # the code runs in an empty directory elsewhere
    }


def scratch_variables(scratch: Path) -> dict[str, str]:
    """An environment in which a notebook's runs go to a fresh store in `scratch`."""
    return {
        "MLFLOW_TRACKING_URI": prepare_store(scratch / "tracking"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HF_HUB_OFFLINE": "1",
        SOURCE_VARIABLE: PUBLISHED,  # marks are for the course's tables, whatever official files are in use
        "IPYTHONDIR": str(scratch / "ipython"),  # nobody's start-up files run with it
        **dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
        ),
    }
