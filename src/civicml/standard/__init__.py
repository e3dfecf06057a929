"""The standard that every week is held to, as checks: ``civicml standard``.

Reads a week's files as they are stored; runs nothing. It must not know how labs are
graded, or what any one week is about. What only running can show is left to nbval
(:file:`tests/notebooks`) and to the answer bank (``civicml prove``).
"""

from civicml.standard.sheet import Problem
from civicml.standard.week import check_week

__all__ = ["Problem", "check_week"]
