"""Suppressing cells of a table: the small ones, and enough others that no blank can be worked out.

Knows tables of counts or amounts and the rule for them; must not know any dataset by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from civicml.datasets.auditing import TOLERANCE, are_whole, solve, spread
from civicml.datasets.cells import COUNT, TOTAL, Flags, Floats, Places, Sums, sums_of
from civicml.datasets.disclosure import CountRule, protect_counts
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

_FAR = 1e6
"""How far a cell may move in another table that is looked for."""
_FEW = 5
"""Cells that are sooner looked at one by one than together."""


@dataclass(frozen=True, repr=False)
class Suppression:
    """A table after suppression; ``str()`` says what it took.

    Attributes:
        table: the table with blanks where cells are suppressed.
        primary: for each row, whether it had to be suppressed for its own sake.
        secondary: for each row, whether it was suppressed to protect another.
        hidden: the share of all that the unsuppressed table counts in its cells and totals that is now blank.
    """

    table: pd.DataFrame
    primary: Flags
    secondary: Flags
    hidden: float

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return (
            f"{len(self.table):,} cells: {int(self.primary.sum()):,} suppressed for their own sake, "
            f"{int(self.secondary.sum()):,} to protect them; {self.hidden:.1%} of what was counted is blank."
        )


def suppress_counts(
    table: pd.DataFrame,
    by: Sequence[str],
    count: str = COUNT,
    *,
    suppress_to: int,
    total: str = TOTAL,
    protect_zero: bool = False,
    slack: int = 1,
) -> Suppression:
    """Blank every count from 1 to `suppress_to`, and enough others that none of them can be worked out.

    An intruder is taken to know the true values of all that is shown, and, where zeros are shown, that a
    blank is at least 1. Totals are counts like others.

    Args:
        table: true counts, one row a cell, with their totals.
        by: the columns that say which cell a row is.
        count: the column of counts.
        suppress_to: the largest count that is suppressed: 7 for sub-national hospital statistics of
            NHS England, 9 for research outputs of the ONS (threshold 10).
        total: what totals are called.
        protect_zero: suppress zeros too, and do not show any.
        slack: how far apart the least and the greatest possible value of a blank must be, at least.

    Raises:
        CivicmlError: a count is missing or is not a whole number from 0, or totals do not add up.
    """
    counts = _amounts(table, count)
    if (counts < 0).any() or (counts % 1 != 0).any():
        raise CivicmlError(f"'{count}' has counts that are not whole numbers from 0.")
    primary = (counts <= suppress_to) & (counts >= (0 if protect_zero else 1))
    least = np.full(len(counts), 0.0 if protect_zero else 1.0)
    slacks = np.full(len(counts), float(slack))
    secondary = _secondary(sums_of(table, by, total), counts, primary, least, slacks, whole=True)
    return _suppressed(table, count, counts, primary, secondary)


def suppress_amounts(
    table: pd.DataFrame,
    by: Sequence[str],
    amount: str,
    unsafe: pd.Series,
    *,
    slack: pd.Series | float,
    total: str = TOTAL,
) -> Suppression:
    """Blank the amounts that are `unsafe`, and enough others that none can be worked out to within `slack`.

    Args:
        table: true amounts from 0, one row a cell, with their totals.
        by: the columns that say which cell a row is.
        amount: the column of amounts.
        unsafe: for each row, whether a dominance rule calls it unsafe.
        slack: for each row (or all), how far apart the least and the greatest possible amount must be: for
            the p% rule, p% of the largest contribution.
        total: what totals are called.

    Raises:
        CivicmlError: an amount is missing or negative, or totals do not add up.
    """
    amounts = _amounts(table, amount)
    if (amounts < 0).any():
        raise CivicmlError(f"'{amount}' has amounts below 0, for which totals limit nothing.")
    primary = unsafe.to_numpy(dtype=bool)
    slacks = np.broadcast_to(np.asarray(slack, dtype=float), amounts.shape)
    sums = sums_of(table, by, total)
    secondary = _secondary(sums, amounts, primary, np.zeros(len(amounts)), slacks, whole=False)
    return _suppressed(table, amount, amounts, primary, secondary)


def protect_table(table: pd.DataFrame, rule: CountRule) -> pd.DataFrame:
    """`table` as `rule` lets it be published: small counts blank, with enough others, the rest rounded.

    Where the rule names no totals, only the small counts are blanked.
    """
    counts = protect_counts(table[rule.column], rule)
    if rule.totals:
        done = suppress_counts(
            table, rule.totals, rule.column, suppress_to=rule.suppress_to, total=rule.total,
            protect_zero=rule.protect_zero,
        )  # fmt: skip
        counts = counts.mask(done.secondary)
    return table.assign(**{rule.column: counts})


def protect_averages(averages: pd.Series, counts: pd.Series, suppress_to: int) -> pd.Series:
    """Averages (or shares, or percentages) with those over 1 to `suppress_to` people blanked.

    NHS England does so with 7 in sub-national hospital statistics.
    """
    return averages.mask((counts >= 1) & (counts <= suppress_to))


def _amounts(table: pd.DataFrame, column: str) -> Floats:
    if column not in table.columns:
        found = ", ".join(str(name) for name in table.columns)
        raise CivicmlError(f"There is no column '{column}'; the table has {found}.")
    if table[column].isna().any():
        row = int(table[column].isna().to_numpy().argmax())
        raise CivicmlError(f"Row {row} has no '{column}': a table must be whole before it is protected.")
    return table[column].to_numpy(dtype=float)


def _suppressed(
    table: pd.DataFrame, column: str, amounts: Floats, primary: Flags, secondary: Flags
) -> Suppression:
    blank = primary | secondary
    kept = table[column].astype("Int64" if (amounts % 1 == 0).all() else "Float64").mask(blank)
    hidden = float(amounts[blank].sum() / amounts.sum()) if amounts.sum() else 0.0
    return Suppression(table.assign(**{column: kept}), primary, secondary, hidden)


def _secondary(
    sums: Sums, amounts: Floats, primary: Flags, least: Floats, slacks: Floats, *, whole: bool
) -> Flags:
    """Which further cells to blank, part by part: cells that no sum joins do not matter to each other."""
    off = sums.equations[:, : sums.cells] @ amounts
    complete = sums.equations[:, sums.cells :].count_nonzero(axis=1) == 0
    if (np.abs(off[complete]) > 0.5).any():
        raise CivicmlError(
            "The totals are not the sums of their parts; protect a table before it is rounded."
        )
    secondary = np.zeros(sums.cells, dtype=bool)
    if not sums.ways or not primary.any():
        return secondary
    joined = sparse.block_array([[None, sums.equations], [sums.equations.T, None]])
    label = sparse.csgraph.connected_components(joined, directed=False)[1]
    of_equation, of_cell = np.split(label, [sums.equations.shape[0]])
    by_column = sums.equations.tocsc()
    for part in np.unique(of_cell[: sums.cells][primary]):
        cells, rows = np.flatnonzero(of_cell == part), np.flatnonzero(of_equation == part)
        if not len(rows):
            continue
        published = cells[cells < sums.cells]
        search = _Search(
            by_column[:, cells].tocsr()[rows],
            amounts[published],
            primary[published],
            np.minimum(least[published], amounts[published]),
            slacks[published],
            integral=whole and sums.ways > 2,
        )
        secondary[published] = search.run()
    return secondary


class _Search:
    """Looks for cells to blank in one part of a table: for each blank, another table that fits what is shown.

    Another table is a change of the true one. A linear programme finds the change that touches shown cells as
    little as possible, weighted by what they count (Robertson, 1993; Fischetti and Salazar, 2000); those
    touched are blanked.
    """

    def __init__(
        self,
        equations: sparse.csr_array,
        amounts: Floats,
        primary: Flags,
        least: Floats,
        slacks: Floats,
        *,
        integral: bool,
    ) -> None:
        self._equations, self._integral = equations, integral
        self._cells, everything = len(amounts), equations.shape[1]
        self._amounts, self._slacks, self._primary = amounts, slacks, primary
        self._unpublished = np.arange(everything) >= self._cells
        # Totals that are not published may change as they like, and cost nothing.
        self._room = np.full(everything, np.inf)
        self._room[: self._cells] = amounts - least
        self._may_change = self._unpublished.copy()
        self._may_change[: self._cells] = primary | ((amounts > 0) & (amounts >= least))
        # Where two choices cost the same, the same one is made on every machine.
        ties = np.random.default_rng(0).random(self._cells) / 1000
        self._cost = np.concatenate([1 + amounts + ties, np.zeros(everything - self._cells)])
        self._blank = np.zeros(everything, dtype=bool)
        self._blank[: self._cells] = primary

    def run(self) -> Flags:
        """Which cells to blank beyond the primary ones."""
        near = self._near(self._blank)
        while len(near):
            largest = near[np.argmax(self._amounts[near])]
            change = self._other_table(int(largest), self._may_change)
            if change is None:
                raise CivicmlError(
                    "A cell cannot be protected: every total that it is part of must be shown."
                )
            moved = np.abs(change) > TOLERANCE
            # A cell that is blank now, or moves too little, is looked at with the next ones.
            further = moved & ~self._blank & ~self._unpublished
            self._blank |= moved
            far = np.abs(change[: self._cells]) >= self._slacks - TOLERANCE
            near = np.union1d(near, np.flatnonzero(further))
            near = near[~far[near]]
            if further.any() and len(near) > _FEW:
                near = np.intersect1d(near, self._near(self._blank))
        self._clean_up()
        return self._blank[: self._cells] & ~self._primary

    def _near(self, blank: Flags) -> Places:
        """The blank cells for which no other table is found in a few attempts with `blank` cells."""
        places = np.flatnonzero(blank | self._unpublished)
        targets = np.flatnonzero(blank[: self._cells])
        at = np.searchsorted(places, targets)
        part = self._equations[:, places]
        room = np.minimum(self._room[places], _FAR)
        least, most = spread(
            part,
            np.zeros(part.shape[0]),
            (-room, np.full(len(places), _FAR)),
            at,
            self._slacks[targets],
            integral=self._integral,
            thorough=False,
        )
        return targets[most - least < self._slacks[targets] - TOLERANCE]

    def _other_table(self, cell: int, may_change: Flags) -> Floats | None:
        """The cheapest change to the cells of `may_change` that moves `cell` far enough, or None."""
        places = np.flatnonzero(may_change)
        at = int(np.searchsorted(places, cell))
        part = self._equations[:, places]
        cost = np.where(self._blank[places], 0.0, self._cost[places])
        both = sparse.hstack([part, -part]).tocsr()
        slack = self._slacks[cell]
        best, best_cost = None, np.inf
        for direction in (1, -1):
            if direction < 0 and self._room[cell] < slack:
                continue
            most = np.concatenate([np.full(len(places), np.inf), self._room[places]])
            least = np.zeros(2 * len(places))
            moving, still = (at, at + len(places)) if direction > 0 else (at + len(places), at)
            least[moving] = most[moving] = slack
            most[still] = 0.0
            result = self._cheapest(np.concatenate([cost, cost]), both, (least, most))
            if result.status == 0 and result.fun < best_cost - TOLERANCE:
                up, down = np.split(result.x, 2)
                best, best_cost = up - down, result.fun
            if best_cost < TOLERANCE:
                break
        if best is None:
            return None
        change = np.zeros(len(may_change))
        change[places] = best
        return change

    def _cheapest(
        self, cost: Floats, equations: sparse.csr_array, limits: tuple[Floats, Floats]
    ) -> "OptimizeResult":
        """The linear programme's solution; in whole numbers if need be, but often it is whole by itself."""
        still = np.zeros(equations.shape[0])
        result = solve(cost, equations, still, limits, whole=False)
        if self._integral and result.status == 0 and not are_whole(result.x):
            result = solve(cost, equations, still, limits, whole=True)
        return result

    def _clean_up(self) -> None:
        """Show again what is not needed after all, the largest first."""
        secondary = np.flatnonzero(self._blank[: self._cells] & ~self._primary)
        for cell in secondary[np.argsort(-self._amounts[secondary], kind="stable")]:
            fewer = self._blank.copy()
            fewer[cell] = False
            allowed = fewer | self._unpublished
            if all(self._other_table(int(near), allowed) is not None for near in self._near(fewer)):
                self._blank = fewer
