"""The cases of the justice brief: people on their first day, and whether reoffending was proven.

Shared by learners (published tables) and the review (sealed tables). It must not know any model.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

_NOT_RECORDED = "Not recorded"
_FIRST_CONVICTION_UNKNOWN = 99
_WORDS = [
    "area",
    "age_band",
    "sex",
    "offence_group",
    "sentence_type",
    "custody_length",
    "housing",
    "employment",
]
_NEEDS = ["drug_need", "alcohol_need"]
_FIFTHS = {1: "1, most deprived", 2: "2", 3: "3", 4: "4", 5: "5, least deprived"}


def frame(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each person of the quarters whose year is over.

    Args:
        tables: `people` and `outcomes` of `reoffending`, published or sealed.

    Returns:
        The columns that `brief.toml` names, in order of `moment` (the first day of the quarter) and number.
        Whoever was lost before the year was over and is not known to have reoffended counts as not proven,
        as in the published statistics.
    """
    people = tables["people"].drop_duplicates("person_id")
    cases = people.merge(tables["outcomes"], on="person_id", validate="one_to_one")
    unfinished = cases.loc[cases["follow_up_ended"] == "Data end", "cohort"].astype(str).unique()
    cohort = cases["cohort"].astype(str)
    cases, cohort = cases[~cohort.isin(unfinished)], cohort[~cohort.isin(unfinished)]
    first = cases["age_at_first_conviction"].astype(float)
    made = pd.DataFrame(
        {
            "person_id": cases["person_id"],
            "moment": pd.PeriodIndex(cohort.str.replace(" ", ""), freq="Q").to_timestamp(),
            "cohort": cohort,
        }
    )
    for name in [*_WORDS, *_NEEDS]:
        made[name] = cases[name].astype(object).where(cases[name].notna(), _NOT_RECORDED).astype(str)
    return made.assign(
        deprivation_decile=cases["deprivation_decile"].astype(float),
        months_in_area=cases["months_in_area"].astype(float),
        previous_offences=cases["previous_offences"].astype(int),
        age_at_first_conviction=first.where(first != _FIRST_CONVICTION_UNKNOWN),
        service_score=cases["service_score"].astype(int),
        programme_sessions=cases["programme_sessions"].astype(float),
        review_score=cases["review_score"].astype(float),
        supervision_ended=cases["supervision_ended"].astype(object).fillna(_NOT_RECORDED).astype(str),
        deprivation_fifth=_fifth(cases["deprivation_decile"]),
        reoffended=cases["reoffended"].fillna(value=False).astype(bool),
    ).sort_values(["moment", "person_id"], ignore_index=True)


def rule(cases: pd.DataFrame) -> npt.NDArray[np.float64]:
    """What the service does now: its own score, in per cent. Higher is offered a place first."""
    return cases["service_score"].to_numpy(dtype=float)


def _fifth(decile: pd.Series) -> pd.Series:
    return decile.add(1).floordiv(2).map(_FIFTHS).fillna("Not known").astype(str)
