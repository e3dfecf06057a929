"""A cohort: from release to marks, over nbgrader's own gradebook and exchange.

One function for each step of the loop; each takes an open `Cohort` and gives back frozen
data. It must not know how results are shown.
"""

from civicml.cohort.assignments import Fetched, Released, fetch, release
from civicml.cohort.checking import check
from civicml.cohort.deadlines import deadlines, extend
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
from civicml.cohort.marks import Progress, Standing, WeekProgress, gradebook, progress, write_csv
from civicml.cohort.report import WeekReport, report_page, week_report, write_report
from civicml.cohort.submissions import Receipt, submit

__all__ = [
    "Cohort",
    "Feedback",
    "Fetched",
    "Graded",
    "Grading",
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
    "deadlines",
    "extend",
    "fetch",
    "fetch_feedback",
    "find_cohort",
    "grade",
    "gradebook",
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
