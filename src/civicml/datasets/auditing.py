"""What can be worked out of a published table with suppressed cells: by subtraction, by linear programming.

The attacks of the literature (Hundepool et al., *Statistical Disclosure Control*, 2012, chapter 4). Knows
tables and what may be known of their cells; must not know how they were protected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from civicml.datasets.cells import COUNT, TOTAL, Floats, Places, Sums, sums_of
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

TOLERANCE = 1e-6
_ROUNDS = 50
_WITHOUT_NEWS = 3
"""Tables looked for in vain before the cells that are left are looked at one by one."""


@dataclass(frozen=True)
class Knowledge:
    """What an intruder knows of how a table was protected.

    Attributes:
        suppressed_from: the least count that a blank may stand for: 1 where zeros are always shown.
        shown_above: what is shown and is not 0 is known to be more than this.
        round_to: shown counts were rounded to the nearest multiple.
    """

    suppressed_from: int = 0
    shown_above: int = 0
    round_to: int = 1


@dataclass(frozen=True, repr=False)
class Audit:
    """What an intruder can know of each suppressed cell of a table; ``str()`` says it.

    Attributes:
        cells: a row for each suppressed cell: where it is, and the least (``low``) and the greatest
            (``high``) count that fits everything published; infinite where nothing limits it.
    """

    cells: pd.DataFrame

    @property
    def exact(self) -> int:
        """How many suppressed cells can be worked out exactly."""
        return self.narrower_than(1)

    def narrower_than(self, width: float) -> int:
        """How many suppressed cells are known to within less than `width`."""
        return int((self.cells["high"] - self.cells["low"] < width).sum())

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        number = len(self.cells)
        share = self.exact / number if number else 0.0
        return f"{self.exact:,} of {number:,} suppressed cells ({share:.1%}) can be worked out exactly."


@dataclass(frozen=True, repr=False)
class Recovery:
    """What came of an attack on suppressed cells; ``str()`` says it.

    Attributes:
        suppressed: cells suppressed.
        claimed: those that the intruder gives a value for.
        right: those given their true value.
    """

    suppressed: int
    claimed: int
    right: int

    @property
    def success(self) -> float:
        """The share of suppressed cells whose true count was recovered."""
        return self.right / self.suppressed if self.suppressed else 0.0

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return (
            f"{self.suppressed:,} cells suppressed; the intruder gives a count for {self.claimed:,}, "
            f"of which {self.right:,} are right ({self.success:.1%} of all)."
        )


def audit(
    table: pd.DataFrame,
    by: Sequence[str],
    count: str = COUNT,
    *,
    total: str = TOTAL,
    knowing: Knowledge = Knowledge(),
    whole: bool = True,
) -> Audit:
    """Find, for every blank count of `table`, the least and greatest value that fits all that is published.

    Each limit is the optimum of a linear programme; where three or more columns have totals, of one in whole
    numbers, because there a fraction may fit where no whole number does. It takes some milliseconds a cell.

    Args:
        table: as published: one row a cell, blank where suppressed, with totals.
        by: the columns that say which cell a row is.
        count: the column of counts.
        total: what totals are called.
        knowing: what is known of how the table was protected.
        whole: counts are whole numbers; with False they are amounts.

    Raises:
        CivicmlError: a column or value is missing, a cell is there twice, or the numbers contradict each
            other.
    """
    sums = sums_of(table, by, total)
    blank = np.flatnonzero(table[count].isna().to_numpy())
    low, high, components = _reduced(table[count], sums, knowing, whole=whole)
    for component in components:
        integral = whole and sums.ways > 2
        for cell in np.intersect1d(blank, component.cells):
            low[cell], high[cell] = (
                component.limit(int(cell), sign, low, high, integral) for sign in (1, -1)
            )
    if whole:
        low, high = np.ceil(low - TOLERANCE) + 0.0, np.floor(high + TOLERANCE)  # no -0.0
    found = table.iloc[blank][list(by)].reset_index(drop=True)
    return Audit(found.assign(low=low[blank], high=high[blank]))


def recover_by_programming(
    table: pd.DataFrame,
    by: Sequence[str],
    count: str = COUNT,
    *,
    total: str = TOTAL,
    knowing: Knowledge = Knowledge(),
) -> pd.Series:
    """Fill the blank counts for which only one whole number fits all that is published.

    Finds the cells whose two limits in :func:`audit` are the same, without working out the limits of the
    others. Arguments and errors are those of :func:`audit`.
    """
    sums = sums_of(table, by, total)
    low, high, components = _reduced(table[count], sums, knowing, whole=True)
    blank = np.flatnonzero(table[count].isna().to_numpy())
    for component in components:
        at = np.flatnonzero(np.isin(component.cells, blank))
        open_cells = component.cells[at]
        low[open_cells], high[open_cells] = spread(
            component.equations,
            -component.rest,
            (low[component.cells], high[component.cells]),
            at,
            np.ones(len(at)),
            integral=sums.ways > 2,
        )
    counts = table[count].astype("Float64").to_numpy(dtype=float, na_value=np.nan, copy=True)
    only = blank[high[blank] - low[blank] < 1 - TOLERANCE]
    counts[only] = np.round(low[only])
    return pd.Series(counts, index=table.index, name=count).astype("Int64")


def recover_by_subtraction(
    table: pd.DataFrame, by: Sequence[str], count: str = COUNT, *, total: str = TOTAL
) -> pd.Series:
    """Fill blank counts in the way of a patient reader: a total less its other parts, again and again.

    Returns:
        The counts, with what could be worked out filled in. Where published counts are rounded, what is
        worked out may be wrong.
    """
    sums = sums_of(table, by, total)
    values = np.full(sums.equations.shape[1], np.nan)
    values[: sums.cells] = table[count].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    pattern = abs(sums.equations)
    while True:
        unknown = np.isnan(values)
        alone = np.flatnonzero(pattern @ unknown.astype(float) == 1)
        if not len(alone):
            return pd.Series(values[: sums.cells], index=table.index, name=count).astype("Float64")
        rows = sums.equations[alone]
        rest = rows @ np.where(unknown, 0.0, values)
        entries = rows.tocoo()
        only = unknown[entries.col]
        values[entries.col[only]] = -rest[entries.row[only]] / entries.data[only]


def attack_by_subtraction(
    truth: pd.DataFrame, published: pd.DataFrame, by: Sequence[str], count: str = COUNT, *, total: str = TOTAL
) -> Recovery:
    """Try :func:`recover_by_subtraction` on `published` and hold what it gives against `truth`."""
    _same_cells(truth, published, by)
    recovered = recover_by_subtraction(published, by, count, total=total)
    return _recovery(truth[count], published[count], recovered)


def attack_by_programming(
    truth: pd.DataFrame,
    published: pd.DataFrame,
    by: Sequence[str],
    count: str = COUNT,
    *,
    total: str = TOTAL,
    knowing: Knowledge = Knowledge(),
) -> Recovery:
    """Try :func:`recover_by_programming` on `published` and hold what it gives against `truth`."""
    _same_cells(truth, published, by)
    recovered = recover_by_programming(published, by, count, total=total, knowing=knowing)
    return _recovery(truth[count], published[count], recovered)


def spread(
    equations: sparse.csr_array,
    right: Floats,
    limits: tuple[Floats, Floats],
    targets: Places,
    enough: Floats,
    *,
    integral: bool,
    thorough: bool = True,
) -> tuple[Floats, Floats]:
    """The least and greatest value of each target among tables that fit, looked for until they are far apart.

    Args:
        equations: ``equations @ values = right`` for every table that fits.
        right: see there.
        limits: the least and the greatest value of each cell.
        targets: the cells of interest.
        enough: for each target, how far apart is far enough.
        integral: only tables of whole numbers fit. (With one or two columns of totals the linear programme
            gives whole numbers by itself.)
        thorough: look at the targets that are left one by one, so that what is not far apart is known to
            have these limits.

    Raises:
        CivicmlError: no table fits.
    """
    low, high = limits
    # Where nothing limits a cell, this does: more than enough room to be far apart.
    high = np.where(np.isinf(high), np.abs(right).sum() + np.abs(low[np.isfinite(low)]).sum() + 1e6, high)
    program = _Program(equations, right, low, high, integral=integral)
    rng = np.random.default_rng(0)
    least, most = np.full(len(targets), np.inf), np.full(len(targets), -np.inf)

    def look(objective: Floats, *, whole: bool = False) -> int:
        near_before = int((most - least < enough - TOLERANCE).sum())
        values = program.least(objective, whole=whole)
        if values is not None:
            np.minimum(least, values[targets], out=least)
            np.maximum(most, values[targets], out=most)
        return near_before - int((most - least < enough - TOLERANCE).sum())

    vain = 0
    while (near := most - least < enough - TOLERANCE).any() and vain < _WITHOUT_NEWS:
        objective = np.zeros(equations.shape[1])
        objective[targets[near]] = rng.normal(size=int(near.sum()))
        vain = 0 if look(objective) + look(-objective) > 0 else vain + 1
    if thorough:
        for number in np.flatnonzero(near):
            for sign in (1.0, -1.0):
                if most[number] - least[number] < enough[number] - TOLERANCE:
                    objective = np.zeros(equations.shape[1])
                    objective[targets[number]] = sign
                    look(objective, whole=True)
    return least, most


@dataclass(frozen=True)
class _Program:
    """The tables that fit, as a linear programme."""

    equations: sparse.csr_array
    right: Floats
    low: Floats
    high: Floats
    integral: bool

    def least(self, objective: Floats, *, whole: bool) -> Floats | None:
        """The table that fits where `objective` is least; None if it has fractions that may not be.

        With `whole` it is looked for again in whole numbers, which takes longer.
        """
        values = self._solve(objective, whole=False)
        if self.integral and not are_whole(values):
            return self._solve(objective, whole=True) if whole else None
        return values

    def _solve(self, objective: Floats, *, whole: bool) -> Floats:
        result = solve(objective, self.equations, self.right, (self.low, self.high), whole=whole)
        if result.x is None:
            raise CivicmlError(_CONTRADICTION)
        values: Floats = result.x
        return values


def solve(
    objective: Floats,
    equations: sparse.csr_array,
    right: Floats,
    limits: tuple[Floats, Floats],
    *,
    whole: bool,
) -> "OptimizeResult":
    """Where `objective` is least among values within `limits` that satisfy the equations, by HiGHS."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # takes a while, and few who load data need it

    return milp(
        objective,
        constraints=LinearConstraint(equations, right, right),
        bounds=Bounds(*limits),
        integrality=np.full(len(objective), int(whole)),
    )


def are_whole(values: Floats) -> bool:
    """Whether all of `values` are whole numbers."""
    return bool((np.abs(values - np.round(values)) < TOLERANCE).all())


_CONTRADICTION = "The table contradicts itself: a total is not the sum of its parts."


def _recovery(truth: pd.Series, published: pd.Series, recovered: pd.Series) -> Recovery:
    blank = published.isna().to_numpy()
    claims = recovered.to_numpy(dtype=float, na_value=np.nan)[blank]
    right = np.abs(claims - truth.to_numpy(dtype=float)[blank]) < TOLERANCE
    return Recovery(int(blank.sum()), int((~np.isnan(claims)).sum()), int(right.sum()))


def _same_cells(truth: pd.DataFrame, published: pd.DataFrame, by: Sequence[str]) -> None:
    same = len(truth) == len(published) and all(
        (truth[column].astype(str).to_numpy() == published[column].astype(str).to_numpy()).all()
        for column in by
    )
    if not same:
        raise CivicmlError("The true and the published table must have the same cells in the same order.")


@dataclass(frozen=True)
class _Component:
    """Cells that are not known and hang together: their places, their sums, and what known cells leave."""

    cells: Places
    equations: sparse.csr_array
    rest: Floats

    def limit(self, cell: int, sign: int, low: Floats, high: Floats, integral: bool) -> float:
        """The least (`sign` 1) or greatest (-1) value of `cell`."""
        objective = np.where(self.cells == cell, float(sign), 0.0)
        limits = (low[self.cells], high[self.cells])
        result = solve(objective, self.equations, -self.rest, limits, whole=integral)
        if result.status == 2:
            raise CivicmlError(_CONTRADICTION)
        return float(sign * result.fun) if result.status == 0 else sign * -np.inf


def _reduced(
    counts: pd.Series, sums: Sums, knowing: Knowledge, *, whole: bool
) -> tuple[Floats, Floats, list[_Component]]:
    """Limits of each cell as far as each sum alone gives them, and the parts where more follows."""
    low, high = _alone(counts, sums, knowing)
    settled = _narrow(sums, low, high, whole=whole)
    return low, high, list(_components(sums, low, high, trees=not settled))


def _alone(counts: pd.Series, sums: Sums, knowing: Knowledge) -> tuple[Floats, Floats]:
    """The least and greatest value that each cell may have, looked at alone."""
    shown = counts.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    blank = np.isnan(shown)
    low = np.zeros(sums.equations.shape[1])
    high = np.full(len(low), np.inf)
    under, over = knowing.round_to // 2, knowing.round_to - knowing.round_to // 2 - 1
    least = np.maximum(shown - under, np.where(shown > 0, knowing.shown_above + 1, 0))
    most = np.where((shown == 0) & (knowing.shown_above >= over), 0.0, shown + over)
    low[: sums.cells] = np.where(blank, knowing.suppressed_from, least if knowing.round_to > 1 else shown)
    high[: sums.cells] = np.where(blank, np.inf, most)
    return low, high


def _narrow(sums: Sums, low: Floats, high: Floats, *, whole: bool) -> bool:
    """Tighten `low` and `high`, in place, by what each sum says on its own; whether nothing more follows."""
    entries = sums.equations.tocoo()
    row, cell, up = entries.row, entries.col, entries.data > 0
    for _ in range(_ROUNDS):
        # Of each entry in its sum, sign and all: its limits, and the limits that the others leave it.
        least, most = np.where(up, low[cell], -high[cell]), np.where(up, high[cell], -low[cell])
        at_most, at_least = -_of_others(row, least), -_of_others(row, most)
        new_high, new_low = high.copy(), low.copy()
        np.minimum.at(new_high, cell, np.where(up, at_most, -at_least))
        np.maximum.at(new_low, cell, np.where(up, at_least, -at_most))
        if whole:
            new_high, new_low = np.floor(new_high + TOLERANCE), np.ceil(new_low - TOLERANCE)
        if (new_low > new_high + TOLERANCE).any():
            raise CivicmlError(_CONTRADICTION)
        if np.array_equal(new_high, high) and np.array_equal(new_low, low):
            return True
        high[:], low[:] = new_high, np.minimum(new_low, new_high)
    return False


def _of_others(row: Places, values: Floats) -> Floats:
    """For each entry, the sum of the other values in its row; infinite where one of them is."""
    endless = np.isinf(values)
    finite = np.where(endless, 0.0, values)
    total = np.bincount(row, finite)[row] - finite
    others_endless = np.bincount(row, endless)[row] - endless > 0
    sign = -1.0 if (values == -np.inf).any() else 1.0
    return np.where(others_endless, sign * np.inf, total)


def _components(sums: Sums, low: Floats, high: Floats, *, trees: bool) -> Iterator[_Component]:
    """Independent parts of a table, by cells that are still open and sums that they share.

    Without `trees`, a part whose cells and sums make a tree is left out: there, looking at each sum on its
    own finds all that follows.
    """
    cells = np.flatnonzero(high > low)
    rest = sums.equations @ np.where(high > low, 0.0, low)
    part = sums.equations[:, cells]
    used = np.flatnonzero(np.diff(part.indptr) > 0)
    if not len(used):
        return
    part, rest = part[used], rest[used]
    joined = sparse.block_array([[None, part], [part.T, None]])
    number, label = sparse.csgraph.connected_components(joined, directed=False)
    of_row, of_cell = np.split(label, [len(used)])
    by_column = part.tocsc()
    edges = np.bincount(np.repeat(of_row, np.diff(part.indptr)), minlength=number)
    nodes = np.bincount(label, minlength=number)
    for component in np.flatnonzero((edges >= nodes) | trees):
        columns, rows = np.flatnonzero(of_cell == component), np.flatnonzero(of_row == component)
        if len(rows):
            yield _Component(cells[columns], by_column[:, columns].tocsr()[rows], rest[rows])
