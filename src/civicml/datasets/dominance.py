"""Tables of amounts: cells in which one or two contributors can be estimated too closely.

The threshold, (n, k) and p% rules with the defaults of ACRO (threshold 10; n = 2, k = 0.90; p = 0.10), the
checker of research outputs. Knows records and their amounts; must not know how unsafe cells are protected.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from civicml.datasets.cells import TOTAL, require_columns
from civicml.errors import CivicmlError


def amount_table(
    records: pd.DataFrame,
    by: Sequence[str],
    amount: str,
    *,
    threshold: int = 10,
    n: int = 2,
    k: float = 0.90,
    p: float = 0.10,
    total: str = TOTAL,
) -> pd.DataFrame:
    """Add up `amount` in each combination of `by`, with all totals, and say which cells are unsafe.

    Args:
        records: one row for each contributor (a business, a hospital, a person).
        by: one, two or three columns.
        amount: what is added up, from 0.
        threshold: fewer contributors than this are unsafe.
        n: see `k`.
        k: unsafe if the `n` largest contributors have more than this share of the cell.
        p: unsafe if what is left without the two largest contributors is less than this share of the largest:
            then the second can estimate the largest to within that share.
        total: what totals are called.

    Returns:
        A row for each cell that has a contributor: the columns of `by`, ``amount``, ``contributors``,
        ``largest``, ``top_share`` (of the `n` largest), ``p_ratio`` (what is left, over the largest), and
        whether ``under_threshold``, ``dominated``, ``p_unsafe`` and any of them: ``unsafe``. A cell of
        amount 0, or of one contributor, is unsafe by the p% rule, as in ACRO.

    Raises:
        CivicmlError: a column is missing, or an amount is blank or below 0.
    """
    require_columns(records, [*by, amount])
    if records[amount].isna().any() or (records[amount] < 0).any():
        raise CivicmlError(f"'{amount}' has blanks or amounts below 0, for which the rules are not made.")
    frame = records[[*by, amount]].copy()
    for column in by:
        frame[column] = frame[column].astype("string").fillna("(blank)").astype(object)
        if (frame[column] == total).any():
            raise CivicmlError(f"'{total}' is a value of '{column}'; give the totals another name.")
    pieces = []
    for choice in range(2 ** len(by)):
        collapsed = [column for place, column in enumerate(by) if choice >> place & 1]
        cells = _cells(frame.assign(**dict.fromkeys(collapsed, total)), by, amount, n)
        pieces.append(cells)
    table = pd.concat(pieces, ignore_index=True)
    table["under_threshold"] = table["contributors"] < threshold
    table["dominated"] = table["top_share"] > k
    table["p_unsafe"] = (table["p_ratio"] < p) | (table["contributors"] < 2) | (table["amount"] <= 0)
    table["unsafe"] = table[["under_threshold", "dominated", "p_unsafe"]].any(axis=1)
    return table


def _cells(frame: pd.DataFrame, by: Sequence[str], amount: str, n: int) -> pd.DataFrame:
    """Amount, contributors and the largest of them, for each combination of `by`."""
    ordered = frame.sort_values(amount, ascending=False, kind="stable")
    groups = ordered.groupby(list(by), sort=True)
    rank = groups.cumcount()
    keys = [ordered[column] for column in by]

    def largest(number: int) -> pd.Series:
        return ordered[amount].where(rank < number, 0.0).groupby(keys, sort=True).sum()

    cells = groups[amount].agg(["sum", "size", "max"])
    cells.columns = pd.Index(["amount", "contributors", "largest"])
    with np.errstate(divide="ignore", invalid="ignore"):
        cells["top_share"] = (largest(n) / cells["amount"]).fillna(0.0)
        cells["p_ratio"] = ((cells["amount"] - largest(2)) / cells["largest"]).fillna(0.0)
    return cells.reset_index()
