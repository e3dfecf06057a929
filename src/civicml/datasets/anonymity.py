"""How well people in a table hide among each other: k-anonymity, l-diversity, t-closeness.

Computed the way pyCANON documents them (Sáinz-Pardo Díaz and López García, *Scientific Data*, 2022), and the
same as pyCANON 1.3.6 on shared tables; a blank counts as a value of its own. Knows frames; must not know
rules, datasets or how a table was protected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.errors import CivicmlError

Numbers = npt.NDArray[np.int64]

_CELLS_AT_ONCE = 20_000_000
"""Of a table of classes by sensitive values: 160 MB as float64."""


@dataclass(frozen=True, repr=False)
class Anonymity:
    """How well a table hides the people in it; ``str()`` is a paragraph for a report.

    Attributes:
        rows: people in the table.
        classes: groups of people who look alike on the quasi-identifiers.
        k: size of the smallest class.
        alone: people in a class of their own.
        l: for each sensitive column, the fewest distinct values in any class.
        entropy_l: the same, by entropy: lower than `l` where one value is much commoner than the rest.
        t: for each sensitive column, the largest distance of a class from the whole table, 0 to 1.
    """

    rows: int
    classes: int
    k: int
    alone: int
    l: dict[str, int]  # noqa: E741 (the name in the literature)
    entropy_l: dict[str, float]
    t: dict[str, float]

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [f"{self.rows:,} people in {self.classes:,} classes; k = {self.k}; {self.alone:,} alone."]
        lines += [
            f"{name}: l = {distinct} (by entropy {self.entropy_l[name]:.2f}), t = {self.t[name]:.2f}."
            for name, distinct in self.l.items()
        ]
        return "\n".join(lines)


def measure_anonymity(
    frame: pd.DataFrame, quasi_identifiers: Sequence[str], sensitive: Sequence[str] = ()
) -> Anonymity:
    """Measure everything at once: k, and l and t of each `sensitive` column.

    Args:
        frame: one row a person.
        quasi_identifiers: columns an intruder may know of somebody.
        sensitive: columns an intruder would like to learn.

    Raises:
        CivicmlError: a column is not there.
    """
    _require(frame, [*quasi_identifiers, *sensitive])
    sizes = np.bincount(class_numbers(frame, quasi_identifiers)) if len(frame) else np.zeros(0, dtype=int)
    return Anonymity(
        rows=len(frame),
        classes=len(sizes),
        k=int(sizes.min(initial=len(frame))),
        alone=int((sizes == 1).sum()),
        l={name: l_diversity(frame, quasi_identifiers, name) for name in sensitive},
        entropy_l={name: entropy_l_diversity(frame, quasi_identifiers, name) for name in sensitive},
        t={name: t_closeness(frame, quasi_identifiers, name) for name in sensitive},
    )


def class_numbers(frame: pd.DataFrame, columns: Sequence[str]) -> Numbers:
    """For each row, the number of its class, rows that agree in all `columns`; from 0, by appearance."""
    _require(frame, columns)
    number = np.zeros(len(frame), dtype=np.int64)
    most = 1
    for column in columns:
        codes, size = codes_of(frame[column])
        if most * size > 2**62:
            number = pd.factorize(number)[0].astype(np.int64)
            most = int(number.max(initial=0)) + 1
        number = number * size + codes
        most *= size
    return pd.factorize(number)[0].astype(np.int64)


def class_sizes(frame: pd.DataFrame, columns: Sequence[str]) -> Numbers:
    """For each row, how many rows share its values in `columns` (itself included)."""
    number = class_numbers(frame, columns)
    return np.bincount(number)[number].astype(np.int64)


def classes(frame: pd.DataFrame, quasi_identifiers: Sequence[str]) -> pd.DataFrame:
    """The classes of a table, smallest first: their values, and ``people`` in each."""
    sizes = frame.groupby(list(quasi_identifiers), observed=True, dropna=False, sort=False).size()
    return sizes.rename("people").reset_index().sort_values("people", kind="stable", ignore_index=True)


def k_anonymity(frame: pd.DataFrame, quasi_identifiers: Sequence[str]) -> int:
    """The size of the smallest class of rows that look alike; 0 for no rows (Samarati and Sweeney, 1998)."""
    return int(np.bincount(class_numbers(frame, quasi_identifiers)).min()) if len(frame) else 0


def l_diversity(frame: pd.DataFrame, quasi_identifiers: Sequence[str], sensitive: str) -> int:
    """The fewest distinct values of `sensitive` in any class; 0 for none (Machanavajjhala et al., 2007)."""
    if not len(frame):
        return 0
    return int(distinct_values(class_numbers(frame, quasi_identifiers), frame[sensitive]).min())


def entropy_l_diversity(frame: pd.DataFrame, quasi_identifiers: Sequence[str], sensitive: str) -> float:
    """How many equally common values would hide as much as the worst class does; 0 for no rows.

    e to the power of the entropy (in nats) of `sensitive` in the class where that is least
    (Machanavajjhala et al., 2007). pyCANON gives its whole part, cut off.
    """
    if not len(frame):
        return 0.0
    numbers = class_numbers(frame, quasi_identifiers)
    codes, size = codes_of(frame[sensitive])
    pairs, counts = np.unique(numbers * size + codes, return_counts=True)
    of_class = pairs // size
    shares = counts / np.bincount(numbers)[of_class]
    entropy = np.bincount(of_class, weights=-shares * np.log(shares))
    return float(np.exp(entropy.min()))


def t_closeness(frame: pd.DataFrame, quasi_identifiers: Sequence[str], sensitive: str) -> float:
    """The largest distance between `sensitive` in a class and in all rows, 0 to 1; 0 for no rows.

    The earth mover's distance: categories are all equally far apart; numbers are as far apart as their ranks
    (Li, Li and Venkatasubramanian, ICDE 2007).
    """
    if not len(frame):
        return 0.0
    return float(distances(class_numbers(frame, quasi_identifiers), frame[sensitive]).max())


def distinct_values(numbers: Numbers, values: pd.Series) -> Numbers:
    """For each class of `numbers`, how many different `values` it has."""
    codes, size = codes_of(values)
    pairs = pd.unique(numbers * size + codes)
    return np.bincount(pairs // size, minlength=numbers.max() + 1).astype(np.int64)


def distances(numbers: Numbers, values: pd.Series) -> npt.NDArray[np.float64]:
    """For each class of `numbers`, the earth mover's distance of its `values` from those of all rows."""
    codes, found = pd.factorize(values, sort=True, use_na_sentinel=False)
    size, number_of_classes = len(found), int(numbers.max()) + 1
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    overall = np.bincount(codes, minlength=size) / len(values)
    cells = numbers * size + codes
    if number_of_classes * size > _CELLS_AT_ONCE:
        cells = np.sort(cells)
    block = max(1, _CELLS_AT_ONCE // size)
    found_distances = np.empty(number_of_classes)
    for start in range(0, number_of_classes, block):
        stop = min(start + block, number_of_classes)
        within = cells
        if stop - start < number_of_classes:
            within = cells[slice(*np.searchsorted(cells, [start * size, stop * size]))] - start * size
        table = np.bincount(within, minlength=(stop - start) * size).reshape(stop - start, size)
        difference = table / table.sum(axis=1, keepdims=True) - overall
        if numeric and size > 1:
            moved = np.abs(difference.cumsum(axis=1)).sum(axis=1) / (size - 1)
        else:
            moved = np.abs(difference).sum(axis=1) / 2
        found_distances[start:stop] = moved
    return found_distances


def codes_of(values: pd.Series) -> tuple[Numbers, int]:
    """Each value as a whole number from 0, blanks included, and how many numbers there may be."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy().astype(np.int64) + 1, len(values.cat.categories) + 1
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iub" and len(values):
        numbers = values.to_numpy().astype(np.int64)
        least, spread = int(numbers.min()), int(numbers.max()) - int(numbers.min())
        if spread < 2**20:
            return numbers - least, spread + 1
    codes, found = pd.factorize(values, use_na_sentinel=False)
    return codes.astype(np.int64), max(len(found), 1)


def _require(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        found = ", ".join(str(column) for column in frame.columns)
        raise CivicmlError(f"There is no column '{missing[0]}'; the table has {found}.")
