"""The rules of a dataset's ``disclosure.toml``, and their enforcement on people and on counts.

People are hidden by blanking as little as needed; small counts are blanked and the rest rounded.
Knows frames and rules, no dataset by name.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from civicml.datasets.anonymity import (
    class_numbers,
    class_sizes,
    distances,
    distinct_values,
    k_anonymity,
    l_diversity,
    t_closeness,
)
from civicml.datasets.attacks import inference_gain, linkage_risk, singled_out
from civicml.datasets.schema import Settings
from civicml.errors import CivicmlError

__all__ = [
    "RULES_FILE",
    "Attack",
    "CountRule",
    "LinkageAttack",
    "PeopleRule",
    "Protected",
    "Rules",
    "TraceAttack",
    "class_sizes",
    "enforce",
    "inference_gain",
    "k_anonymity",
    "l_diversity",
    "linkage_risk",
    "protect_counts",
    "singled_out",
    "t_closeness",
]

RULES_FILE = "disclosure.toml"

_Positive = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Columns = Annotated[list[str], Field(min_length=1)]


class PeopleRule(Settings):
    """How well hidden each person in a table must be, and what may be blanked to get there.

    ``t`` is the largest t-closeness allowed; without it, t is measured only.
    """

    table: str
    quasi_identifiers: _Columns
    sensitive: list[str]
    k: _Positive
    l: _Positive  # noqa: E741 (the name in the literature)
    t: _Share | None = None
    suppress: _Columns


class Attack(Settings):
    """An intruder who knows some columns of one row of `table`, and looks for that row in each layer.

    ``at_most`` is the share of rows that may be found alone in the published layer; ``why`` defends it.
    """

    knows: str
    table: str
    raw: _Columns
    published: _Columns
    at_most: _Share
    why: str


class LinkageAttack(Settings):
    """An intruder who has another table (a newspaper, a register) and looks for its rows in each layer.

    Attributes:
        knows: what the intruder has, in words.
        auxiliary: the other table; it may be published, or in the raw layer only.
        target: the table attacked, in both layers.
        on_raw: which column of the auxiliary table is compared with which of the raw target.
        on_published: the same for the published target. A blank fits anything.
        truth_raw: one column of each that says who a row is about, to tell right claims from wrong ones;
            rows of one person then count as one.
        truth_published: the same for the published target, where it has such a column.
        at_most: the share of auxiliary rows that may fit exactly one row of the published target.
        why: what defends it.
    """

    knows: str
    auxiliary: str
    target: str
    on_raw: Annotated[dict[str, str], Field(min_length=1)]
    on_published: Annotated[dict[str, str], Field(min_length=1)]
    truth_raw: Annotated[dict[str, str], Field(max_length=1)] = Field(default_factory=dict)
    truth_published: Annotated[dict[str, str], Field(max_length=1)] = Field(default_factory=dict)
    at_most: _Share
    why: str


class TraceAttack(Settings):
    """An intruder who knows a few events (journeys) of somebody and looks for all the others.

    Attributes:
        knows: what the intruder knows, in words.
        table: the raw table of events.
        subject: the column that says whose they are; no published table should have it.
        point: the columns known of an event.
        points: how many events are known.
        at_most: the share of subjects that may be found alone in published tables.
        why: what defends it.
    """

    knows: str
    table: str
    subject: str
    point: _Columns
    points: _Positive
    at_most: _Share
    why: str


class CountRule(Settings):
    """How small counts are protected: 1 to `suppress_to` are blanked, the rest rounded.

    Attributes:
        table: a table of counts, one row a cell.
        column: the count.
        suppress_to: the largest count that is blanked.
        round_to: the others are rounded to the nearest multiple; 1 leaves them as they are.
        protect_zero: blank 0 too, where "nobody" would tell something of everybody.
        totals: for a table that is published with its totals, all columns that say which cell a row is.
            A row whose value in one of them is `total` is the sum over that column.
        total: what such rows are called.
        why: what the report says of totals, where there is more to say than that there are none.
    """

    table: str
    column: str
    suppress_to: Annotated[int, Field(ge=0)]
    round_to: _Positive
    protect_zero: bool = False
    totals: list[str] = Field(default_factory=list)
    total: str = "Total"
    why: str | None = None


class Rules(Settings):
    """A dataset's ``disclosure.toml``."""

    people: PeopleRule | None = None
    counts: list[CountRule] = Field(default_factory=list)
    attacks: list[Attack] = Field(default_factory=list)
    linkage: list[LinkageAttack] = Field(default_factory=list)
    traces: list[TraceAttack] = Field(default_factory=list)

    def counts_of(self, table: str, column: str | None = None) -> CountRule:
        """The rule for the counts in `table`; name the column where several have one.

        Raises:
            CivicmlError: there is none, or more than one.
        """
        found = [rule for rule in self.counts if rule.table == table and column in (None, rule.column)]
        if len(found) != 1:
            place = table if column is None else f"{table}.{column}"
            raise CivicmlError(
                f"{RULES_FILE} has {len(found)} rules for the counts of '{place}'; one is needed."
            )
        return found[0]


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


def enforce(frame: pd.DataFrame, rule: PeopleRule) -> Protected:
    """Blank as little as needed of the columns that `rule` names until every class has k people and l values.

    Where that is not enough, the people who still stand out are left out; ``kept`` says who. With a ``t`` in
    the rule, no class is further than that from all people kept.

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
    kept = np.ones(len(frame), dtype=bool)
    # Leaving a class out moves the distribution that the others are held to, so look again.
    while (out := _standing_out(frame[kept], rule.quasi_identifiers, rule)).any():
        kept[np.flatnonzero(kept)[out]] = False
    return Protected(frame[kept].reset_index(drop=True), kept, blanked)


def protect_counts(counts: pd.Series, rule: CountRule) -> pd.Series:
    """Counts with 1 to ``suppress_to`` blanked and the rest rounded to the nearest ``round_to``.

    0 is shown, unless the rule protects it. The rule for sub-national hospital statistics of NHS England has
    7 and 5. For a table with its totals, this alone is not enough.
    """
    small = (counts <= rule.suppress_to) & (counts >= (0 if rule.protect_zero else 1))
    rounded = ((counts + rule.round_to // 2) // rule.round_to * rule.round_to).astype("Int64")
    return rounded.mask(small)


def _standing_out(frame: pd.DataFrame, columns: list[str], rule: PeopleRule) -> npt.NDArray[np.bool_]:
    """For each person, whether the class they are in is too small, too alike, or too unlike the rest."""
    if not len(frame):
        return np.zeros(0, dtype=bool)
    numbers = class_numbers(frame, columns)
    bad = np.bincount(numbers) < rule.k
    for sensitive in rule.sensitive:
        bad |= distinct_values(numbers, frame[sensitive]) < rule.l
        if rule.t is not None:
            bad |= distances(numbers, frame[sensitive]) > rule.t
    return bad[numbers]


def _to_blank(frame: pd.DataFrame, column: str, others: list[str], rule: PeopleRule) -> npt.NDArray[np.bool_]:
    """Whose `column` to blank: those who stand out and, where the blanks then stand out, their neighbours.

    Blanked people form a class of their own within `others`. If that class is too small, the smallest
    class beside it joins, until it is large enough or no class is left.
    """
    quasi = [*others, column]
    work = frame[[*quasi, *rule.sensitive]].copy()
    blank = _standing_out(work, quasi, rule)
    group = class_numbers(frame, others) if others else np.zeros(len(frame), dtype=np.int64)
    while True:
        work[column] = frame[column].mask(blank)
        weak = blank & _standing_out(work, quasi, rule)
        neighbours = np.isin(group, group[weak]) & ~blank
        if not neighbours.any():
            return blank
        sizes = class_sizes(work, quasi)
        numbers = class_numbers(work, quasi)
        candidates = pd.DataFrame({"group": group, "size": sizes, "number": numbers})[neighbours]
        smallest = candidates.sort_values(["size", "number"]).drop_duplicates("group")["number"]
        blank = blank | (np.isin(numbers, smallest) & neighbours)
