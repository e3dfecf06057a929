"""One picture of the reoffending data for a newcomer, and its description in words.

Knows the published tables only.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PINK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"


def draw(tables: dict[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Six panels: record, time to reoffence, follow-up, the service's score, areas, the programme.

    Args:
        tables: the published tables, by name.

    Returns:
        The figure; what it shows, in words, with numbers from the tables.
    """
    people = tables["people"].drop_duplicates("person_id").merge(tables["outcomes"], on="person_id")
    people["proven"] = people["number_of_reoffences"] > 0
    whole = people[~people["cohort"].isin(unfinished(people))]
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    text = [
        draw_history(panels[0], whole),
        draw_time(panels[1], people),
        draw_follow_up(panels[2], people),
        draw_score(panels[3], whole),
        draw_areas(panels[4], whole),
        draw_programme(panels[5], whole),
    ]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.title.set_fontsize(10)
    return figure, " ".join(text)


def unfinished(people: pd.DataFrame) -> list[str]:
    """The cohorts that the end of the data cuts short."""
    cut = people["follow_up_ended"] == "Data end"
    return sorted(people.loc[cut, "cohort"].unique())


def draw_history(panel: Axes, people: pd.DataFrame) -> str:
    """Bars: the rate in each band of previous offences."""
    rates = 100 * people.groupby("previous_band", observed=True)["proven"].mean()
    bars = panel.bar(rates.index.astype(str), rates, color=BLUE)
    panel.bar_label(bars, fmt="%.0f", fontsize=8)
    panel.tick_params(axis="x", labelsize=8)
    panel.set(title="The record says most", xlabel="previous offences", ylabel="proven to reoffend, %")
    return (
        f"Proven reoffending within twelve months rises from {rates.iloc[0]:.0f}% with no previous offences "
        f"to {rates.iloc[-1]:.0f}% with eleven or more."
    )


def draw_time(panel: Axes, people: pd.DataFrame) -> str:
    """Kaplan-Meier curves: everybody counts for as long as they were followed."""
    groups = {
        "custody up to 6 months": (people["custody_length"] == "Up to 6 months", RED),
        "community order": (people["sentence_type"] == "Community order", BLUE),
        "caution": (people["sentence_type"] == "Caution", GREEN),
    }
    early = []
    for name, (who, colour) in groups.items():
        curve = 100 * reoffended_by_day(people[who])
        panel.plot(curve.index, curve, color=colour)
        panel.annotate(
            name,
            (365, curve.iloc[-1]),
            (0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=colour,
        )
        early.append(curve.loc[:90].iloc[-1] / curve.iloc[-1])
    panel.set(
        title="Much of it comes early",
        xlabel="days since the first day",
        ylabel="proven to reoffend, %",
        xlim=(0, 365),
        ylim=0,
    )
    share = 100 * float(np.mean(early))
    return f"About {share:.0f}% of those who are proven to reoffend in the year have done so after 90 days."


def reoffended_by_day(people: pd.DataFrame) -> pd.Series:
    """The share who have reoffended by each day, with those lost taken out of the count when they leave."""
    end = people["days_to_first_reoffence"].fillna(people["follow_up_days"]).astype(int)
    events = end[people["proven"]].value_counts().reindex(range(366), fill_value=0)
    leaving = end.value_counts().reindex(range(366), fill_value=0)
    at_risk = len(people) - leaving.cumsum().shift(fill_value=0)
    return 1 - (1 - events / at_risk.clip(lower=1)).cumprod()


def draw_follow_up(panel: Axes, people: pd.DataFrame) -> str:
    """Lines: the rate of each cohort, counted in three ways."""
    cohorts = people["cohort"].astype(str)
    as_no = 100 * people["proven"].groupby(cohorts).mean()
    known = people["reoffended"].notna()
    left_out = 100 * people.loc[known, "proven"].groupby(cohorts[known]).mean()
    fair = 100 * pd.Series({name: reoffended_by_day(own).iloc[-1] for name, own in people.groupby(cohorts)})
    for rates, name, colour, place in (
        (left_out, "blanks left out", RED, (-24, -3)),
        (as_no, "blanks as “no”", ORANGE, (0, -14)),
        (fair, "while followed", BLUE, (0, 12)),
    ):
        panel.plot(range(len(rates)), rates, color=colour, marker=".")
        panel.annotate(
            name,
            (len(rates) - 1, rates.iloc[-1]),
            place,
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=colour,
        )
    panel.set_xticks(range(0, len(fair), 4), fair.index[::4], fontsize=8)
    panel.set(
        title="The last two quarters are not over", xlabel="cohort", ylabel="proven to reoffend, %", ylim=0
    )
    return (
        f"In the last cohort leaving out the blanks says {left_out.iloc[-1]:.0f}%, counting them as “no” "
        f"{as_no.iloc[-1]:.0f}%, and counting people for as long as they were followed (nine months at "
        f"most) {fair.iloc[-1]:.0f}%."
    )


def draw_score(panel: Axes, people: pd.DataFrame) -> str:
    """Lines: the rate in each tenth of the service's score, men and women apart."""
    panel.plot([0, 80], [0, 80], color="grey", linewidth=0.8)
    panel.annotate(
        "as promised", (66, 66), (-4, 4), textcoords="offset points", ha="right", fontsize=8, color="grey"
    )
    gaps = {}
    for sex, colour in (("Male", BLUE), ("Female", RED)):
        own = people[people["sex"] == sex]
        tenth = pd.qcut(own["service_score"], 10, duplicates="drop")
        line = own.groupby(tenth, observed=True)[["service_score", "proven"]].mean()
        panel.plot(line["service_score"], 100 * line["proven"], color=colour, marker=".")
        panel.annotate(
            {"Male": "men", "Female": "women"}[sex],
            (line["service_score"].iloc[-1], 100 * line["proven"].iloc[-1]),
            (4, -3),
            textcoords="offset points",
            fontsize=8,
            color=colour,
        )
        gaps[sex] = own["service_score"].mean(), 100 * own["proven"].mean()
    panel.set(
        title="The service's score is not a chance",
        xlabel="score (tenths of people)",
        ylabel="proven to reoffend, %",
        xlim=(0, 80),
        ylim=(0, 80),
    )
    return (
        "The service's score is too extreme: people with low scores reoffend more often than it says, with "
        f"high scores less; women average {gaps['Female'][0]:.0f} and {gaps['Female'][1]:.0f}% reoffend."
    )


def draw_areas(panel: Axes, people: pd.DataFrame) -> str:
    """Bars: the rate in each area."""
    rates = 100 * people.groupby("area", observed=True)["proven"].mean().sort_values()
    bars = panel.barh(rates.index.astype(str), rates, color=GREEN)
    panel.bar_label(bars, fmt="%.0f", fontsize=8)
    panel.tick_params(axis="y", labelsize=8)
    panel.set(title="Areas differ: people, or policing?", xlabel="proven to reoffend, %")
    return (
        f"Areas go from {rates.iloc[0]:.0f}% ({rates.index[0]}) to {rates.iloc[-1]:.0f}% "
        f"({rates.index[-1]}); only proven offences count, and what is proven depends on the police too."
    )


def draw_programme(panel: Axes, people: pd.DataFrame) -> str:
    """Bars: the rate by how a place on the programme was offered."""
    offers = ["Not offered", "Offered by referral", "Lost the lottery", "Offered by lottery"]
    rates = 100 * people.groupby("programme_offer", observed=True)["proven"].mean().reindex(offers)
    colours = [ORANGE, ORANGE, BLUE, BLUE]
    bars = panel.bar([name.replace(" ", "\n", 1) for name in offers], rates, color=colours)
    panel.bar_label(bars, fmt="%.0f", fontsize=8)
    panel.tick_params(axis="x", labelsize=8)
    panel.set(
        title="Referral makes the programme look bad",
        xlabel="offer of a place",
        ylabel="proven to reoffend, %",
    )
    return (
        f"Those offered the programme by referral reoffend more ({rates.iloc[1]:.0f}%) than those not "
        f"offered it ({rates.iloc[0]:.0f}%), but winners of the lottery ({rates.iloc[3]:.0f}%) less than "
        f"its losers ({rates.iloc[2]:.0f}%)."
    )
