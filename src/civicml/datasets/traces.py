"""The attack on traces: whoever knows a few journeys (visits, payments) of somebody looks for all the others.

The idea is that of "Unique in the Crowd" (de Montjoye, Hidalgo, Verleysen and Blondel, *Scientific
Reports*, 2013). Knows frames; must not know rules or how a table was protected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from civicml.errors import CivicmlError

_TRIED = 2_000


@dataclass(frozen=True)
class Traced:
    """How an intruder fares who knows some points of a trace; ``str()`` says it.

    Attributes:
        points: how many points of each trace were known.
        subjects: traces looked for.
        alone: those that nobody else shares the known points with.
    """

    points: int
    subjects: int
    alone: int

    @property
    def success(self) -> float:
        """The share of traces found alone."""
        return self.alone / self.subjects if self.subjects else 0.0

    def __str__(self) -> str:
        return (
            f"Knowing {self.points} points: {self.alone:,} of {self.subjects:,} traces ({self.success:.1%}) "
            "are found alone."
        )


def trace(
    events: pd.DataFrame, subject: str, point: Sequence[str], *, points: int = 2, tried: int = _TRIED
) -> Traced:
    """Draw some points of some traces, and count the traces that hold all of them.

    Args:
        events: one row an event (a journey).
        subject: the column that says whose it is (a card).
        point: the columns that an intruder sees of an event (route and hour).
        points: how many different points of a trace the intruder knows.
        tried: how many traces to look for; only those with at least so many different points are drawn.

    Raises:
        CivicmlError: a column is not there, or no point is known.
    """
    absent = [name for name in [subject, *point] if name not in events.columns]
    if absent or not point or points < 1:
        problem = f"There is no column '{absent[0]}' to look for" if absent else "Nothing is known"
        raise CivicmlError(f"{problem}; a trace is found by at least one point of at least one column.")
    cell = events.groupby(list(point), observed=True, dropna=False, sort=False).ngroup().to_numpy()
    who, names = pd.factorize(events[subject])
    pairs = np.unique(who.astype(np.int64) * (int(cell.max(initial=0)) + 1) + cell)
    owner, place = np.divmod(pairs, int(cell.max(initial=0)) + 1)
    long_enough = np.flatnonzero(np.bincount(owner, minlength=len(names)) >= points)
    rng = np.random.default_rng(0)
    chosen = rng.choice(long_enough, min(tried, len(long_enough)), replace=False)
    return Traced(points, len(chosen), _alone(rng, owner, place, chosen, points))


def _alone(
    rng: np.random.Generator,
    owner: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    place: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    chosen: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    points: int,
) -> int:
    """How many of the `chosen` owners are the only ones with all of some `points` of their places.

    `owner` and `place` are pairs without repetition, in order of owner.
    """
    order = np.argsort(place, kind="stable")
    of_place, by_place = place[order], owner[order]
    found = 0
    for one in chosen:
        mine = place[np.searchsorted(owner, one) : np.searchsorted(owner, one, side="right")]
        others: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None
        for known in rng.choice(mine, points, replace=False):
            there = by_place[
                np.searchsorted(of_place, known) : np.searchsorted(of_place, known, side="right")
            ]
            others = there if others is None else np.intersect1d(others, there)
        found += others is not None and len(others) == 1
    return found
