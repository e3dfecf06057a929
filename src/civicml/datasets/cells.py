"""Tables of counts with their totals: making one from records, and which cells add up to which.

A table is a tidy frame: a row for each cell, the columns that say which cell it is, and the count. A row
whose value in one of them is "Total" is the sum over that column. Must not know what is protected or how.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from civicml.errors import CivicmlError

TOTAL = "Total"
"""What a row is called that is the sum over a column."""

COUNT = "count"
"""What the column of counts is called."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sums:
    """Which cells add up to which.

    Attributes:
        cells: rows of the table; they are the first cells. Those after them are totals not published.
        equations: a row for each sum, a column for each cell: 1 for a part, -1 for the total, so that
            ``equations @ values`` is zero.
        ways: how many columns have totals.
    """

    cells: int
    equations: sparse.csr_array
    ways: int


def count_table(records: pd.DataFrame, by: Sequence[str], total: str = TOTAL) -> pd.DataFrame:
    """Count `records` in every combination of the values of `by`, with all totals.

    Args:
        records: one row for each thing counted.
        by: one, two, three or more columns.
        total: what to call the totals.

    Returns:
        The columns of `by` (categories, the total last) and ``count``; empty cells have 0. Blank values
        are counted as ``"(blank)"``.

    Raises:
        CivicmlError: a column is not there, or has the total's name among its values.
    """
    require_columns(records, by)
    codes, values = [], []
    for column in by:
        labels = records[column].astype("string").fillna("(blank)").to_numpy(dtype=object)
        if isinstance(records[column].dtype, pd.CategoricalDtype):
            known = [str(value) for value in records[column].cat.categories]
            known += [value for value in pd.unique(labels) if value not in known]
        else:
            known = sorted(pd.unique(labels))
        if total in known:
            raise CivicmlError(f"'{total}' is a value of '{column}'; give the totals another name.")
        codes.append(pd.Index(known, dtype=object).get_indexer(pd.Index(labels, dtype=object)))
        values.append([*known, total])
    shape = [len(known) - 1 for known in values]
    place = np.ravel_multi_index(codes, shape) if len(records) else np.zeros(0, dtype=np.int64)
    counts = np.bincount(place, minlength=int(np.prod(shape))).reshape(shape)
    for axis in range(len(shape)):
        counts = np.concatenate([counts, counts.sum(axis=axis, keepdims=True)], axis=axis)
    index = np.indices(counts.shape).reshape(len(shape), -1)
    columns = {
        column: pd.Categorical.from_codes(index[axis], pd.Index(values[axis]))
        for axis, column in enumerate(by)
    }
    return pd.DataFrame({**columns, COUNT: counts.ravel()})


def sums_of(table: pd.DataFrame, by: Sequence[str], total: str = TOTAL) -> Sums:
    """Work out which rows of `table` add up to which.

    A column of `by` without totals separates tables from one another. A cell that is not there counts as
    zero, a total that is not there as not published; one none of whose parts is there is not broken down.

    Raises:
        CivicmlError: a column or a value is missing, or a cell is there twice.
    """
    require_columns(table, by)
    strides, sizes, key = _keys(table, by, total)
    twice = pd.Series(key).duplicated().to_numpy()
    if twice.any():
        cell = table.iloc[int(twice.argmax())]
        named = ", ".join(f"{column} '{cell[column]}'" for column in by)
        raise CivicmlError(f"The cell of {named} is there twice; a table has each cell once.")
    axes = [axis for axis in range(len(by)) if ((key // strides[axis]) % sizes[axis] == 0).any()]
    everything = key
    for axis in axes:
        everything = np.union1d(everything, _collapsed(everything, strides[axis], sizes[axis]))
    everything = np.concatenate([key, np.setdiff1d(everything, key)])
    order = np.argsort(everything)
    rows, columns, signs, equations = [], [], [], 0
    for axis in axes:
        is_part = (everything // strides[axis]) % sizes[axis] != 0
        parts = np.flatnonzero(is_part)
        totals, equation = np.unique(
            _collapsed(everything[parts], strides[axis], sizes[axis]), return_inverse=True
        )
        at = order[np.searchsorted(everything, totals, sorter=order)]
        rows += [equation + equations, np.arange(len(totals)) + equations]
        columns += [parts, at]
        signs += [np.ones(len(parts)), -np.ones(len(totals))]
        equations += len(totals)
    shape = (equations, len(everything))
    if not axes:
        return Sums(len(table), sparse.csr_array(shape), 0)
    entries = (np.concatenate(signs), (np.concatenate(rows), np.concatenate(columns)))
    return Sums(len(table), sparse.csr_array(entries, shape=shape), len(axes))


def require_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise if one of `columns` is not in `table`.

    Raises:
        CivicmlError: naming it and those there are.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        found = ", ".join(str(column) for column in table.columns)
        raise CivicmlError(f"There is no column '{missing[0]}'; the table has {found}.")
    if not columns:
        raise CivicmlError("A table of counts needs at least one column that says which cell a row is.")


def _keys(table: pd.DataFrame, by: Sequence[str], total: str) -> tuple[list[int], list[int], Places]:
    """Each row as one number whose digits are its values; the digit 0 is the total."""
    strides: list[int] = []
    sizes: list[int] = []
    stride = 1
    key = np.zeros(len(table), dtype=np.int64)
    for column in by:
        values = table[column]
        if values.isna().any():
            row = int(values.isna().to_numpy().argmax())
            raise CivicmlError(f"Row {row} has no value in '{column}': nobody can tell which cell it is.")
        codes, found = pd.factorize(values)
        # From 1, and 0 for the total.
        digits = np.where(found.astype(str) == total, 0, np.arange(1, len(found) + 1))[codes]
        strides.append(stride)
        sizes.append(len(found) + 1)
        key += digits * stride
        stride *= len(found) + 1
        if stride > 2**62:
            raise CivicmlError(f"The table has too many columns to add up: {', '.join(by)}.")
    return strides, sizes, key


def _collapsed(keys: Places, stride: int, size: int) -> Places:
    """The keys of the totals over one column."""
    collapsed: Places = keys - (keys // stride) % size * stride
    return collapsed
