"""A cohort: from release to marks, over nbgrader's own gradebook and exchange.

One function for each step of the loop; each takes an open `Cohort` and gives back frozen
data. It must not know how results are shown. A name here is never that of a module in here.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civicml.cohort.assignments import Fetched, Released, fetch, release
    from civicml.cohort.attempts import Attempt, CellMark
    from civicml.cohort.checking import check
    from civicml.cohort.deadlines import extend
    from civicml.cohort.directory import (
        Cohort,
        Learner,
        add_learners,
        find_cohort,
        init,
        is_instructor,
        open_cohort,
        read_learners,
    )
    from civicml.cohort.feedback import (
        Feedback,
        QuestionMark,
        ReturnedMarks,
        Returning,
        fetch_feedback,
        return_week,
    )
    from civicml.cohort.grading import Graded, Grading, grade
    from civicml.cohort.handing_in import HandedIn, hand_in
    from civicml.cohort.marks import Progress, Standing, WeekProgress, gradebook, progress, write_csv
    from civicml.cohort.receipts import Receipt
    from civicml.cohort.report import WeekReport, report_page, week_report, write_report
    from civicml.cohort.submissions import submit

_IN = {
    "assignments": ("Fetched", "Released", "fetch", "release"),
    "attempts": ("Attempt", "CellMark"),
    "checking": ("check",),
    "deadlines": ("extend",),
    "directory": (
        "Cohort", "Learner", "add_learners", "find_cohort", "init", "is_instructor", "open_cohort",
        "read_learners",
    ),
    "feedback": ("Feedback", "QuestionMark", "ReturnedMarks", "Returning", "fetch_feedback", "return_week"),
    "grading": ("Graded", "Grading", "grade"),
    "handing_in": ("HandedIn", "hand_in"),
    "marks": ("Progress", "Standing", "WeekProgress", "gradebook", "progress", "write_csv"),
    "receipts": ("Receipt",),
    "report": ("WeekReport", "report_page", "week_report", "write_report"),
    "submissions": ("submit",),
}  # fmt: skip
_WHERE = {name: module for module, names in _IN.items() for name in names}

__all__ = [
    "Attempt",
    "CellMark",
    "Cohort",
    "Feedback",
    "Fetched",
    "Graded",
    "Grading",
    "HandedIn",
    "Learner",
    "Progress",
    "QuestionMark",
    "Receipt",
    "Released",
    "ReturnedMarks",
    "Returning",
    "Standing",
    "WeekProgress",
    "WeekReport",
    "add_learners",
    "check",
    "extend",
    "fetch",
    "fetch_feedback",
    "find_cohort",
    "grade",
    "gradebook",
    "hand_in",
    "init",
    "is_instructor",
    "open_cohort",
    "progress",
    "read_learners",
    "release",
    "report_page",
    "return_week",
    "submit",
    "week_report",
    "write_csv",
    "write_report",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Import what is asked for when it is: all of it takes seconds, handing in needs little of it."""
    if name not in _WHERE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
