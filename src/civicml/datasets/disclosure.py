"""Disclosure control: k-anonymity, l-diversity and t-closeness, their enforcement, count rules, and attacks.

k, l and t are computed the way pyCANON documents them (Sáinz-Pardo Díaz and López García,
*Scientific Data*, 2022), and agree with pyCANON 1.3.6 on a table of 60,000 people; a blank counts
as a value of its own. Knows frames and rules, no dataset by name.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from civicml.datasets.schema import Settings

RULES_FILE = "disclosure.toml"

_Positive = Annotated[int, Field(ge=1)]


class PeopleRule(Settings):
    """How well hidden each person in a table must be, and what may be blanked to get there."""

    table: str
    quasi_identifiers: Annotated[list[str], Field(min_length=1)]
    sensitive: list[str]
    k: _Positive
    l: _Positive  # noqa: E741 (the name in the literature)
    suppress: Annotated[list[str], Field(min_length=1)]


class Attack(Settings):
    """An intruder who knows some columns of one row of `table`, and looks for that row in each layer.

    ``at_most`` is the share of rows that may be found alone in the published layer; ``why`` defends it.
    """

    knows: str
    table: str
    raw: Annotated[list[str], Field(min_length=1)]
    published: Annotated[list[str], Field(min_length=1)]
    at_most: Annotated[float, Field(ge=0, le=1)]
    why: str


class CountRule(Settings):
    """How small counts are protected: 1 to `suppress_to` are blanked, the rest rounded."""

    table: str
    column: str
    suppress_to: Annotated[int, Field(ge=0)]
    round_to: _Positive


class Rules(Settings):
    """A dataset's ``disclosure.toml``."""

    people: PeopleRule | None = None
    counts: CountRule | None = None
    attacks: list[Attack] = Field(default_factory=list)


@dataclass(frozen=True)
class Protected:
    """People after enforcement.

    Attributes:
        frame: the people kept, in their order, with the quasi-identifiers as they may be published.
        kept: for each row that came in, whether it was kept.
        blanked: for each column that could be suppressed, how many cells were.
    """

    frame: pd.DataFrame
    kept: npt.NDArray[np.bool_]
    blanked: dict[str, int]


def class_sizes(frame: pd.DataFrame, columns: list[str]) -> npt.NDArray[np.int64]:
    """For each row, how many rows share its values in `columns` (itself included)."""
    number = _class_numbers(frame, columns)
    return np.bincount(number)[number].astype(np.int64)


def k_anonymity(frame: pd.DataFrame, quasi_identifiers: list[str]) -> int:
    """The size of the smallest class of rows that look alike; 0 for no rows."""
    return int(class_sizes(frame, quasi_identifiers).min()) if len(frame) else 0


def l_diversity(frame: pd.DataFrame, quasi_identifiers: list[str], sensitive: str) -> int:
    """The fewest distinct values of `sensitive` in any class; 0 for no rows."""
    if not len(frame):
        return 0
    return int(_distinct(_class_numbers(frame, quasi_identifiers), frame[sensitive]).min())


def t_closeness(frame: pd.DataFrame, quasi_identifiers: list[str], sensitive: str) -> float:
    """The largest earth mover's distance between `sensitive` in a class and in all rows, 0 to 1.

    Categories are all equally far apart; numbers are as far apart as their ranks (Li, Li and
    Venkatasubramanian, ICDE 2007).
    """
    numbers = _class_numbers(frame, quasi_identifiers)
    codes, values = pd.factorize(frame[sensitive], sort=True, use_na_sentinel=False)
    table = np.zeros((numbers.max() + 1, len(values)))
    np.add.at(table, (numbers, codes), 1)
    difference = table / table.sum(axis=1, keepdims=True) - table.sum(axis=0) / len(frame)
    numeric = pd.api.types.is_numeric_dtype(frame[sensitive]) and not pd.api.types.is_bool_dtype(
        frame[sensitive]
    )
    if numeric and len(values) > 1:
        return float((np.abs(difference.cumsum(axis=1)).sum(axis=1) / (len(values) - 1)).max())
    return float((np.abs(difference).sum(axis=1) / 2).max())


def enforce(frame: pd.DataFrame, rule: PeopleRule) -> Protected:
    """Blank as little as needed of the columns that `rule` names until every class has k people and l values.

    Where that is not enough, the people who still stand out are left out; ``kept`` says who.

    Args:
        frame: one row a person, holding the quasi-identifiers (already generalised: age in bands,
            not a date of birth) and the sensitive attributes.
        rule: what to reach.
    """
    frame = frame.copy()
    blanked = {}
    for column in rule.suppress:
        others = [name for name in rule.quasi_identifiers if name != column]
        blank = _to_blank(frame, column, others, rule)
        frame[column] = frame[column].mask(blank)
        blanked[column] = int(blank.sum())
    kept = ~_standing_out(frame, rule.quasi_identifiers, rule)
    return Protected(frame[kept].reset_index(drop=True), kept, blanked)


def protect_counts(counts: pd.Series, rule: CountRule) -> pd.Series:
    """Counts with 1 to ``suppress_to`` blanked and the rest rounded to the nearest ``round_to``; 0 is shown.

    The rule for sub-national hospital statistics of NHS England has 7 and 5.
    """
    small = (counts >= 1) & (counts <= rule.suppress_to)
    rounded = ((counts + rule.round_to // 2) // rule.round_to * rule.round_to).astype("Int64")
    return rounded.mask(small)


def singled_out(frame: pd.DataFrame, known: list[str]) -> float:
    """The share of people whom an intruder who knows `known` of them finds alone."""
    return float((class_sizes(frame, known) == 1).mean()) if len(frame) else 0.0


def linkage_risk(frame: pd.DataFrame, known: list[str]) -> float:
    """The chance that an intruder who knows `known` of somebody and guesses among those who fit is right."""
    return float((1 / class_sizes(frame, known)).mean()) if len(frame) else 0.0


def inference_gain(frame: pd.DataFrame, known: list[str], sensitive: str) -> float:
    """How much oftener an intruder who knows `known` guesses `sensitive` right than one who knows nothing.

    Both guess the commonest value, in the class or in the whole table; the difference is in shares of people.
    """
    if not len(frame):
        return 0.0
    commonest = frame.groupby([*known, sensitive], observed=True, dropna=False).size()
    in_class = commonest.groupby(level=known, observed=True, dropna=False).max().sum()
    return float((in_class - frame[sensitive].value_counts(dropna=False).max()) / len(frame))


def _class_numbers(frame: pd.DataFrame, columns: list[str]) -> npt.NDArray[np.int64]:
    return (
        frame.groupby(columns, observed=True, dropna=False, sort=False).ngroup().to_numpy().astype(np.int64)
    )


def _distinct(numbers: npt.NDArray[np.int64], values: pd.Series) -> npt.NDArray[np.int64]:
    """For each class, how many different values it has."""
    codes = pd.factorize(values, use_na_sentinel=False)[0]
    pairs = np.unique(numbers * (codes.max() + 1) + codes)
    return np.bincount(pairs // (codes.max() + 1), minlength=numbers.max() + 1).astype(np.int64)


def _standing_out(frame: pd.DataFrame, columns: list[str], rule: PeopleRule) -> npt.NDArray[np.bool_]:
    """For each person, whether the class they are in is too small or too alike."""
    if not len(frame):
        return np.zeros(0, dtype=bool)
    numbers = _class_numbers(frame, columns)
    bad = np.bincount(numbers) < rule.k
    for sensitive in rule.sensitive:
        bad |= _distinct(numbers, frame[sensitive]) < rule.l
    return bad[numbers]


def _to_blank(frame: pd.DataFrame, column: str, others: list[str], rule: PeopleRule) -> npt.NDArray[np.bool_]:
    """Whose `column` to blank: those who stand out and, where the blanks then stand out, their neighbours.

    Blanked people form a class of their own within `others`. If that class is too small, the smallest
    class beside it joins, until it is large enough or no class is left.
    """
    quasi = [*others, column]
    work = frame[[*quasi, *rule.sensitive]].copy()
    blank = _standing_out(work, quasi, rule)
    group = _class_numbers(frame, others) if others else np.zeros(len(frame), dtype=np.int64)
    while True:
        work[column] = frame[column].mask(blank)
        weak = blank & _standing_out(work, quasi, rule)
        neighbours = np.isin(group, group[weak]) & ~blank
        if not neighbours.any():
            return blank
        sizes = class_sizes(work, quasi)
        numbers = _class_numbers(work, quasi)
        candidates = pd.DataFrame({"group": group, "size": sizes, "number": numbers})[neighbours]
        smallest = candidates.sort_values(["size", "number"]).drop_duplicates("group")["number"]
        blank = blank | (np.isin(numbers, smallest) & neighbours)
