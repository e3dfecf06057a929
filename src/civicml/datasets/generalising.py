"""Coarser values for everybody: hierarchies of generalisation, and the least that hides people well enough.

Ages become bands, postcodes districts, days months. Knows frames and measures of anonymity; must not know any
dataset by name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.anonymity import Numbers, class_numbers, codes_of, distances, distinct_values
from civicml.errors import CivicmlError

ANY = "any"
"""What every value becomes at the top of a hierarchy."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """One step of a hierarchy: its name, and what makes a column's values coarser."""

    name: str
    coarsen: Callable[[pd.Series], pd.Series]


@dataclass(frozen=True)
class Hierarchy:
    """Ever coarser ways to write a column, from the values as they are to one value for all.

    Each level must merge values of the level before, never split them: then generalising never makes
    anybody easier to find.
    """

    levels: tuple[Level, ...]

    @classmethod
    def of(cls, *levels: tuple[str, Callable[[pd.Series], pd.Series]]) -> "Hierarchy":
        """A hierarchy with the values as they are below `levels` and one value for all above them."""
        middle = (Level(name, coarsen) for name, coarsen in levels)
        return cls((Level("as it is", lambda values: values), *middle, Level(ANY, _any)))

    @property
    def names(self) -> list[str]:
        """The levels' names, finest first."""
        return [level.name for level in self.levels]


@dataclass(frozen=True, repr=False)
class Generalised:
    """What :func:`least_generalisation` chose; ``str()`` says it.

    Attributes:
        frame: the people kept, in their order, generalised.
        kept: for each row that came in, whether it was kept.
        levels: for each quasi-identifier, the name of the level chosen.
        loss: what was lost, 0 (nothing) to 1 (everything); see :func:`least_generalisation`.
        measured: how many of the combinations of levels had to be measured.
        combinations: how many there are.
    """

    frame: pd.DataFrame
    kept: npt.NDArray[np.bool_]
    levels: dict[str, str]
    loss: float
    measured: int
    combinations: int

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        chosen = "; ".join(f"{column}: {level}" for column, level in self.levels.items())
        out = int((~self.kept).sum())
        return (
            f"{chosen}. {out:,} of {len(self.kept):,} people left out; {self.loss:.1%} of the information "
            f"lost ({self.measured:,} of {self.combinations:,} combinations measured)."
        )


def age_hierarchy() -> Hierarchy:
    """Ages in years: as they are, 5-year bands, 10-year bands, 20-year bands, any."""
    return Hierarchy.of(("5 years", _bands(5)), ("10 years", _bands(10)), ("20 years", _bands(20)))


def postcode_hierarchy() -> Hierarchy:
    """British postcodes: ``ZZ1 4AB``, its sector ``ZZ1 4``, its district ``ZZ1``, its area ``ZZ``, any."""
    return Hierarchy.of(
        ("sector", lambda values: _text(values).str.replace(r"^(.*\d)[A-Z]{2}$", r"\1", regex=True)),
        ("district", lambda values: _text(values).str.replace(r"\s*\d[A-Z]{2}$", "", regex=True)),
        ("area", lambda values: _text(values).str.extract(r"^([A-Z]+)", expand=False)),
    )


def date_hierarchy() -> Hierarchy:
    """Dates: the day, the month ``2026-03``, the quarter ``2026Q1``, the year ``2026``, any."""
    return Hierarchy.of(
        ("month", lambda values: values.dt.to_period("M").astype("string")),
        ("quarter", lambda values: values.dt.to_period("Q").astype("string")),
        ("year", lambda values: values.dt.to_period("Y").astype("string")),
    )


def all_or_nothing() -> Hierarchy:
    """For columns such as sex: as it is, or any."""
    return Hierarchy.of()


def generalise(
    frame: pd.DataFrame, hierarchies: Mapping[str, Hierarchy], levels: Mapping[str, str]
) -> pd.DataFrame:
    """`frame` with each column of `levels` written at the level named.

    Raises:
        CivicmlError: a column, or a level of its hierarchy, is not there.
    """
    written = {}
    for column, name in levels.items():
        hierarchy = hierarchies[column]
        if column not in frame.columns:
            raise CivicmlError(f"There is no column '{column}' to generalise.")
        if name not in hierarchy.names:
            raise CivicmlError(f"'{column}' has no level '{name}'; it has {', '.join(hierarchy.names)}.")
        codes, found = pd.factorize(frame[column], use_na_sentinel=False)
        level = hierarchy.levels[hierarchy.names.index(name)]
        written[column] = level.coarsen(pd.Series(found)).take(codes).set_axis(frame.index)
    return frame.assign(**written)


def least_generalisation(
    frame: pd.DataFrame,
    hierarchies: Mapping[str, Hierarchy],
    sensitive: Sequence[str] = (),
    *,
    k: int,
    l: int = 1,  # noqa: E741 (the name in the literature)
    t: float = 1.0,
    leave_out: float = 0.0,
) -> Generalised:
    """Generalise as little as hides everybody: `k` people and `l` values in a class, within `t` of the whole.

    Full-domain generalisation with suppression (Samarati, 2001): one level for a whole column, and people who
    still stand out are left out. Of all combinations of levels that need at most `leave_out` left out, the
    one that loses least is chosen. The loss is the mean, over quasi-identifiers, of the share of a column's
    entropy that is gone, with people left out counted as all gone: 0 is nothing, 1 is everything.

    A combination is not measured where one that is coarser all round has failed k or l (each level of each
    column is tried with all others at "any" first), or where its levels alone lose more than the best found:
    finer levels only hide people worse, coarser ones only lose more.

    Args:
        frame: one row a person.
        hierarchies: for each quasi-identifier, how it can be written.
        sensitive: columns that `l` and `t` are about.
        k: people that must look alike.
        l: distinct values of each sensitive column among them.
        t: largest distance of a class from all people, 0 to 1.
        leave_out: the largest share of people that may be left out.

    Raises:
        CivicmlError: a column is not there, a level does not merge those below it, or nothing is enough.
    """
    columns = list(hierarchies)
    lattice = _Lattice(frame, hierarchies, sensitive, k=k, l=l, t=t, leave_out=leave_out)
    best: tuple[float, tuple[int, ...], npt.NDArray[np.bool_]] | None = None
    alone = lattice.columns_alone()
    failed = [levels for levels in alone if lattice.kept(levels) is None]
    measured = len(alone)
    for levels in lattice.by_loss():
        if best is not None and lattice.loss(levels) >= best[0]:
            break
        if any(all(one <= other for one, other in zip(levels, worse, strict=True)) for worse in failed):
            continue
        measured += 1
        kept = lattice.kept(levels)
        if kept is None:
            failed.append(levels)
            continue
        out = float((~kept).mean()) if len(kept) else 0.0
        if out > leave_out:
            continue
        loss = out + (1 - out) * lattice.loss(levels)
        if best is None or loss < best[0]:
            best = (loss, levels, kept)
    if best is None:
        raise CivicmlError(
            f"No generalisation reaches k = {k}, l = {l}, t = {t:g} with {leave_out:.0%} left out: "
            "there are too few people, or too few values."
        )
    loss, chosen, kept = best
    names = {column: hierarchies[column].names[level] for column, level in zip(columns, chosen, strict=True)}
    done = generalise(frame, hierarchies, names)[kept].reset_index(drop=True)
    combinations = prod(len(hierarchy.levels) for hierarchy in hierarchies.values())
    return Generalised(done, kept, names, loss, measured, combinations)


class _Lattice:
    """All combinations of levels of a frame's columns, with what each would lose and whom it would hide."""

    def __init__(
        self,
        frame: pd.DataFrame,
        hierarchies: Mapping[str, Hierarchy],
        sensitive: Sequence[str],
        *,
        k: int,
        l: int,  # noqa: E741 (the name in the literature)
        t: float,
        leave_out: float,
    ) -> None:
        self._sensitive = [frame[name] for name in _there(frame, sensitive)]
        self._k, self._l, self._t, self._leave_out = k, l, t, leave_out
        self._rows = len(frame)
        self._codes: list[list[Numbers]] = []
        self._lost: list[list[float]] = []
        for column in _there(frame, hierarchies):
            # A value that many people share is coarsened once.
            first, found = pd.factorize(frame[column], use_na_sentinel=False)
            values = pd.Series(found)
            codes = [codes_of(level.coarsen(values))[0] for level in hierarchies[column].levels]
            _check_merging(codes, hierarchies[column], column)
            self._codes.append([level[first] for level in codes])
            entropies = [_entropy(level) for level in self._codes[-1]]
            self._lost.append([1 - e / entropies[0] if entropies[0] > 0 else 0.0 for e in entropies])

    def loss(self, levels: Sequence[int]) -> float:
        """The mean share of entropy that these levels lose."""
        lost = [of_column[level] for of_column, level in zip(self._lost, levels, strict=True)]
        return float(np.mean(lost))

    def by_loss(self) -> Iterator[tuple[int, ...]]:
        """All combinations, the least loss first."""
        yield from sorted(product(*(range(len(codes)) for codes in self._codes)), key=self.loss)

    def columns_alone(self) -> list[tuple[int, ...]]:
        """Each level of each column below the top, with all other columns at the top."""
        top = [len(codes) - 1 for codes in self._codes]
        return [
            (*top[:column], level, *top[column + 1 :])
            for column in range(len(top))
            for level in range(top[column])
        ]

    def kept(self, levels: Sequence[int]) -> npt.NDArray[np.bool_] | None:
        """Whom these levels hide well enough; None if so few that nothing finer can do better."""
        together = {
            str(n): codes[level] for n, (codes, level) in enumerate(zip(self._codes, levels, strict=True))
        }
        numbers = class_numbers(pd.DataFrame(together), list(together))
        kept = np.ones(self._rows, dtype=bool)
        if not self._rows:
            return kept
        bad = np.bincount(numbers) < self._k
        if self._too_many(bad[numbers]):
            return None
        for values in self._sensitive:
            bad |= distinct_values(numbers, values) < self._l
        kept = ~bad[numbers]
        if self._too_many(~kept):
            return None
        while self._t < 1 and kept.any():
            far = self._far(numbers[kept], kept)
            if not far.any():
                break
            kept[np.flatnonzero(kept)[far]] = False
        return kept

    def _too_many(self, out: npt.NDArray[np.bool_]) -> bool:
        return bool(out.mean() > self._leave_out)

    def _far(self, numbers: Numbers, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Of the people kept, those in a class too far from all of them."""
        again = pd.factorize(numbers)[0].astype(np.int64)
        far = np.zeros(again.max() + 1, dtype=bool)
        for values in self._sensitive:
            far |= distances(again, values[kept]) > self._t
        return far[again]


def _check_merging(codes: list[Numbers], hierarchy: Hierarchy, column: str) -> None:
    for level, (finer, coarser) in enumerate(pairwise(codes)):
        pairs = pd.DataFrame({"finer": finer, "coarser": coarser}).drop_duplicates()
        if len(pairs) > pairs["finer"].nunique():
            fine, coarse = hierarchy.names[level], hierarchy.names[level + 1]
            raise CivicmlError(
                f"'{column}': level '{coarse}' splits values of '{fine}'; a level may only merge those below."
            )


def _entropy(codes: Numbers) -> float:
    if not len(codes):
        return 0.0
    shares = np.bincount(codes)[np.unique(codes)] / len(codes)
    return float(-(shares * np.log(shares)).sum())


def _there(frame: pd.DataFrame, columns: Sequence[str] | Mapping[str, object]) -> list[str]:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        found = ", ".join(str(column) for column in frame.columns)
        raise CivicmlError(f"There is no column '{missing[0]}'; the table has {found}.")
    return list(columns)


def _any(values: pd.Series) -> pd.Series:
    return pd.Series(ANY, index=values.index, dtype="string")


def _text(values: pd.Series) -> "pd.Series[str]":
    return values.astype("string").str.strip().str.upper()


def _bands(width: int) -> Callable[[pd.Series], pd.Series]:
    def coarsen(ages: pd.Series) -> pd.Series:
        low = (ages // width * width).astype("Int64")
        return low.astype("string") + "-" + (low + width - 1).astype("string")

    return coarsen
