"""What an intruder tries: to find somebody alone, to join a table with what is known elsewhere, to guess.

Each attack gives its success, so that it can be run before protection and after. Knows frames;
must not know rules or how a table was protected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.anonymity import class_sizes
from civicml.errors import CivicmlError

_NONE = -1


@dataclass(frozen=True, repr=False)
class SinglingOut:
    """How an intruder fares who knows some columns of somebody and looks for that row; ``str()`` says it.

    Attributes:
        known: the columns.
        rows: rows looked through.
        alone: rows that nobody else shares those values with.
        guess: the chance to be right when guessing among the rows that fit, 0 to 1.
    """

    known: tuple[str, ...]
    rows: int
    alone: int
    guess: float

    @property
    def success(self) -> float:
        """The share of rows found alone."""
        return self.alone / self.rows if self.rows else 0.0

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return (
            f"Knowing {', '.join(self.known)}: {self.alone:,} of {self.rows:,} rows ({self.success:.1%}) are "
            f"found alone; a guess among the rows that fit is right {self.guess:.1%} of the time."
        )


@dataclass(frozen=True, repr=False)
class Linkage:
    """What joining a table with another one gave; ``str()`` says it.

    Attributes:
        rows: rows of the auxiliary table, each about one person.
        fitting: those that fit at least one row (or person) of the target.
        claimed: those that fit exactly one, so that an intruder would say "that is them".
        right: those of the claims that are true; ``None`` where the layer holds no key to check it with.
    """

    rows: int
    fitting: int
    claimed: int
    right: int | None

    @property
    def success(self) -> float:
        """The share of auxiliary rows that fit exactly one row: what the intruder would claim."""
        return self.claimed / self.rows if self.rows else 0.0

    @property
    def precision(self) -> float | None:
        """The share of claims that are right; ``None`` if nothing was claimed or nobody can tell."""
        return self.right / self.claimed if self.claimed and self.right is not None else None

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        told = "" if self.right is None else f", {self.right:,} of them rightly"
        return (
            f"{self.fitting:,} of {self.rows:,} people fit some row; "
            f"{self.claimed:,} ({self.success:.1%}) fit exactly one{told}."
        )


class Outcome(Protocol):
    """What an attack gave: a share of success, and a sentence."""

    @property
    def success(self) -> float:
        """The share that the intruder found, claimed or recovered, 0 to 1."""
        ...


@dataclass(frozen=True, repr=False)
class BeforeAndAfter:
    """One attack on a table as it was and on what is published of it; ``str()`` is three lines."""

    before: Outcome
    after: Outcome

    @property
    def fell_by(self) -> float:
        """How much the success fell, in shares: 1 is from always to never."""
        return self.before.success - self.after.success

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        fell = f"Success fell from {self.before.success:.1%} to {self.after.success:.1%}."
        return f"Before: {self.before}\nAfter: {self.after}\n{fell}"


def single_out(frame: pd.DataFrame, known: Sequence[str]) -> SinglingOut:
    """Look for every row of `frame`, knowing its values in `known`.

    Singling out is the first of the three risks in the ICO's guidance on anonymisation (2025).
    """
    sizes = class_sizes(frame, known)
    guess = float((1 / sizes).mean()) if len(frame) else 0.0
    return SinglingOut(tuple(known), len(frame), int((sizes == 1).sum()), guess)


def singled_out(frame: pd.DataFrame, known: Sequence[str]) -> float:
    """The share of people whom an intruder who knows `known` of them finds alone."""
    return single_out(frame, known).success


def linkage_risk(frame: pd.DataFrame, known: Sequence[str]) -> float:
    """The chance that an intruder who knows `known` of somebody and guesses among those who fit is right."""
    return single_out(frame, known).guess


def inference_gain(frame: pd.DataFrame, known: Sequence[str], sensitive: str) -> float:
    """How much oftener an intruder who knows `known` guesses `sensitive` right than one who knows nothing.

    Both guess the commonest value, in the class or in the whole table; the difference is in shares of people.
    """
    if not len(frame):
        return 0.0
    commonest = frame.groupby([*known, sensitive], observed=True, dropna=False).size()
    in_class = commonest.groupby(level=list(known), observed=True, dropna=False).max().sum()
    return float((in_class - frame[sensitive].value_counts(dropna=False).max()) / len(frame))


def link(
    auxiliary: pd.DataFrame,
    target: pd.DataFrame,
    on: Mapping[str, str],
    key: tuple[str, str] | None = None,
) -> Linkage:
    """Look for each row of `auxiliary` (a newspaper, a register) among the rows of `target`.

    A blank, on either side, fits anything: a suppressed value rules nobody out.

    Args:
        auxiliary: what the intruder has, one row a person.
        target: the table attacked.
        on: which column of `auxiliary` is compared with which of `target`.
        key: the columns of the two that say who a row is about. Then rows of one person count as one,
            and claims can be held against the truth.

    Raises:
        CivicmlError: a column is not there, or two columns cannot be compared.
    """
    ours, theirs, blanks = _comparable(auxiliary, target, on)
    who = np.arange(len(target))
    truth = None
    if key is not None:
        truth, who, _ = _alike(_column(auxiliary, key[0]), _column(target, key[1]), key)
        # A row of the target that is about nobody in particular counts as a person of its own.
        who = np.where(who == _NONE, np.arange(len(who)) + who.max(initial=0) + 1, who)
    least, most = _candidates(ours, theirs, blanks, who)
    fitting = most != _NONE
    claimed = fitting & (least == most)
    right = None if truth is None else int((claimed & (truth == least)).sum())
    return Linkage(len(auxiliary), int(fitting.sum()), int(claimed.sum()), right)


def _comparable(
    auxiliary: pd.DataFrame, target: pd.DataFrame, on: Mapping[str, str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[int]]:
    """Both sides' compared columns as numbers that agree where the values do, -1 where blank."""
    if not on:
        raise CivicmlError("A linkage attack compares at least one column of the two tables.")
    pairs = [
        _alike(_column(auxiliary, one), _column(target, other), (one, other)) for one, other in on.items()
    ]
    ours, theirs, sizes = zip(*pairs, strict=True)
    return np.column_stack(ours), np.column_stack(theirs), list(sizes)


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    if name not in frame.columns:
        found = ", ".join(str(column) for column in frame.columns)
        raise CivicmlError(f"There is no column '{name}' to link on; the table has {found}.")
    return frame[name]


def _alike(
    one: pd.Series, other: pd.Series, names: tuple[str, str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Two columns as whole numbers, the same number for the same value; and how many there are."""
    plain = [_plain(one), _plain(other)]
    kinds = {_kind(values) for values in plain if values.notna().any()}
    if len(kinds) > 1:
        raise CivicmlError(
            f"'{names[0]}' and '{names[1]}' cannot be compared: {' and '.join(sorted(kinds))}."
        )
    if kinds == {"text"}:
        plain = [values.astype("object") for values in plain]
    codes, found = pd.factorize(pd.concat(plain, ignore_index=True))
    numbers = codes.astype(np.int64)
    return numbers[: len(one)], numbers[len(one) :], len(found)


def _plain(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype(values.cat.categories.dtype if len(values.cat.categories) else "object")
    return values


def _kind(values: pd.Series) -> Literal["numbers", "dates", "text"]:
    if pd.api.types.is_numeric_dtype(values):
        return "numbers"
    return "dates" if pd.api.types.is_datetime64_any_dtype(values) else "text"


def _candidates(
    ours: npt.NDArray[np.int64],
    theirs: npt.NDArray[np.int64],
    sizes: list[int],
    who: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each of our rows, the least and the greatest number of who fits it; -1 where nobody does.

    Rows are compared by which of their columns are known, one pattern of blanks with another.
    """
    least = np.full(len(ours), np.iinfo(np.int64).max)
    most = np.full(len(ours), _NONE, dtype=np.int64)
    for at_ours, known_ours in _patterns(ours):
        for at_theirs, known_theirs in _patterns(theirs):
            both = known_ours & known_theirs
            numbers = _combined(np.vstack([ours[at_ours][:, both], theirs[at_theirs][:, both]]), sizes, both)
            mine, yours = numbers[: len(at_ours)], numbers[len(at_ours) :]
            size = int(numbers.max(initial=0)) + 1
            first = np.full(size, np.iinfo(np.int64).max)
            last = np.full(size, _NONE, dtype=np.int64)
            np.minimum.at(first, yours, who[at_theirs])
            np.maximum.at(last, yours, who[at_theirs])
            least[at_ours] = np.minimum(least[at_ours], first[mine])
            most[at_ours] = np.maximum(most[at_ours], last[mine])
    return least, most


def _patterns(rows: npt.NDArray[np.int64]) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]]:
    """Rows with the same columns known, together: where they are, and which columns."""
    known = rows != _NONE
    pattern = known @ (1 << np.arange(rows.shape[1], dtype=np.int64))
    groups = []
    for value in np.unique(pattern):
        at = np.flatnonzero(pattern == value)
        groups.append((at, known[at[0]]))
    return groups


def _combined(
    rows: npt.NDArray[np.int64], sizes: list[int], columns: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Several columns of numbers as one, from 0 without gaps."""
    number = np.zeros(len(rows), dtype=np.int64)
    most = 1
    for place, column in enumerate(np.flatnonzero(columns)):
        size = max(sizes[column], 1)
        if most * size > 2**62:
            number = pd.factorize(number)[0].astype(np.int64)
            most = int(number.max(initial=0)) + 1
        number = number * size + rows[:, place]
        most *= size
    return pd.factorize(number)[0].astype(np.int64)
