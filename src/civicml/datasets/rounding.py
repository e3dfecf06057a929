"""Rounding counts to a base so that no exact count is shown: conventional, random, and controlled.

The three of Hundepool et al., *Statistical Disclosure Control* (2012), chapter 5. Knows tables of counts;
must not know why they are rounded.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from civicml.datasets.auditing import TOLERANCE, are_whole, solve
from civicml.datasets.cells import COUNT, TOTAL, Floats, sums_of
from civicml.errors import CivicmlError


def round_counts(counts: pd.Series, base: int) -> pd.Series:
    """Each count to the nearest multiple of `base`; a half goes up. Blanks stay blank."""
    _check_base(base)
    rounded: pd.Series = ((counts + base // 2) // base * base).astype("Int64")
    return rounded


def round_at_random(counts: pd.Series, base: int, rng: np.random.Generator) -> pd.Series:
    """Each count to the multiple of `base` below or above it, at random, so that it is right on average.

    A count of 7 with base 5 becomes 10 in two cases of five and 5 in three. Multiples and blanks stay.
    Round once: the average of many copies gives the true count away.
    """
    _check_base(base)
    below = counts // base * base
    up = rng.random(len(counts)) * base < (counts - below).to_numpy(dtype=float, na_value=0.0)
    rounded: pd.Series = (below + base * up).astype("Int64")
    return rounded


def round_keeping_totals(
    table: pd.DataFrame, by: Sequence[str], base: int, count: str = COUNT, *, total: str = TOTAL
) -> pd.Series:
    """Each count to the multiple of `base` below or above it, so that totals are sums of rounded parts.

    Controlled rounding, as near to the true counts as it goes, by linear programming. For one and two columns
    with totals there always is a solution.

    Args:
        table: true counts, one row a cell, with their totals.
        by: the columns that say which cell a row is.
        base: what counts become multiples of.
        count: the column of counts.
        total: what totals are called.

    Raises:
        CivicmlError: the table cannot be rounded so (with three or more columns it may happen), or is no
            table.
    """
    _check_base(base)
    sums = sums_of(table, by, total)
    counts = table[count].to_numpy(dtype=float)
    everything = sums.equations.shape[1]
    below = np.zeros(everything)
    below[: sums.cells] = counts // base
    remainder = np.zeros(everything)
    remainder[: sums.cells] = counts - below[: sums.cells] * base
    # 1 rounds a cell up. A multiple stays; a total that is not published may be anything.
    most = np.where(remainder > 0, 1.0, 0.0)
    most[sums.cells :] = np.inf
    further_up = base - 2 * remainder
    further_up[sums.cells :] = 0.0
    limits: tuple[Floats, Floats] = (np.zeros(everything), most)
    right = -(sums.equations @ below)
    result = solve(further_up, sums.equations, right, limits, whole=False)
    if result.status == 0 and not are_whole(result.x):
        result = solve(further_up, sums.equations, right, limits, whole=True)
    if result.status != 0:
        raise CivicmlError(
            f"This table cannot be rounded to multiples of {base} so that its totals still add up."
        )
    rounded = np.round(below + result.x + TOLERANCE / 2)[: sums.cells] * base
    return pd.Series(rounded.astype(np.int64), index=table.index, name=count).astype("Int64")


def _check_base(base: int) -> None:
    if base < 1:
        raise CivicmlError(f"Counts are rounded to multiples of a whole number from 1, not of {base}.")
