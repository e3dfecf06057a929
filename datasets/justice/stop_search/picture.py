"""Draws what a newcomer should see of stop and searches: when, why, where, what came of it, what is blank.

Works on the course's tables and on official files, which hold searches only. Must not know what was planted.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from civicml.datasets.tables import Tables

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
NOTHING = ["A no further action disposal", "Nothing found - no further action"]
ARREST = ["Arrest", "Suspect arrested"]


def draw(tables: Tables) -> tuple[Figure, str]:
    """The picture and its description in words."""
    searches = tables["searches"]
    panels = [searches_by_month, searches_by_hour, objects, outcomes, blanks]
    figure = Figure(figsize=(11, 7), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    axes = figure.subplots(2, 3).ravel()
    said = [panel(axis, searches) for panel, axis in zip(panels, axes, strict=False)]
    if "population" in tables:
        said.append(rates(axes[5], searches, tables["population"]))
    else:
        said.append(places(axes[5], searches))
    return figure, " ".join(said)


def searches_by_month(axis: Axes, searches: pd.DataFrame) -> str:
    """A line: searches in each month."""
    counts = searches["month"].astype(str).value_counts().sort_index()
    axis.plot(range(len(counts)), counts, color=BLUE, marker="o", markersize=3)
    step = max(1, len(counts) // 4)
    axis.set_xticks(range(0, len(counts), step), counts.index[::step], fontsize=8)
    axis.set_ylim(0, None)
    axis.set(title="How many: searches a month", xlabel="month (of the file)", ylabel="searches")
    if len(counts) == 1:
        return f"{len(searches):,} searches in {counts.index[0]}."
    return (
        f"{len(searches):,} searches in {len(counts)} months, from {counts.iloc[0]:,} in {counts.index[0]} "
        f"to {counts.iloc[-1]:,} in {counts.index[-1]}."
    )


def searches_by_hour(axis: Axes, searches: pd.DataFrame) -> str:
    """Bars: searches in each hour of the day, by the clock on the wall."""
    local = searches["Date"].dt.tz_localize("UTC").dt.tz_convert("Europe/London")
    counts = local.dt.hour.value_counts().reindex(range(24), fill_value=0)
    axis.bar(counts.index, counts, color=SKY, width=0.9)
    axis.set_xticks(range(0, 24, 4))
    axis.set(title="When: afternoon and night", xlabel="hour, by the clock", ylabel="searches")
    late = counts[[20, 21, 22, 23, 0, 1, 2, 3]].sum() / counts.sum()
    return f"{late:.0%} of them took place between 20:00 and 04:00 by the clock; the table's times are UTC."


def objects(axis: Axes, searches: pd.DataFrame) -> str:
    """Bars: what was looked for."""
    shares = searches["Object of search"].value_counts(normalize=True)
    shares = shares[shares > 0].head(6).iloc[::-1]
    axis.barh(range(len(shares)), shares * 100, color=GREEN)
    axis.set_yticks(range(len(shares)), [short(name) for name in shares.index], fontsize=8)
    axis.set(title=f"Why: {shares.iloc[-1]:.0%} {shares.index[-1].lower()}", xlabel="% of searches")
    return f"{shares.index[-1]} were looked for in {shares.iloc[-1]:.0%}."


def outcomes(axis: Axes, searches: pd.DataFrame) -> str:
    """Stacked bars: what came of it, by half of the financial year."""
    halves = {month: half_year(month) for month in sorted(searches["month"].astype(str).unique())}
    outcome = searches["Outcome"].astype("object")
    kind = pd.Series(
        np.select(
            [outcome.isna(), outcome.isin(NOTHING), outcome.isin(ARREST)],
            ["blank", "nothing", "arrest"],
            "other",
        )
    )
    shares = pd.crosstab(searches["month"].astype(str).map(halves), kind, normalize="index")
    shares = shares.reindex(list(dict.fromkeys(halves.values())))
    bottom = np.zeros(len(shares))
    for name, colour in (("arrest", RED), ("other", ORANGE)):
        heights = 100 * shares.get(name, pd.Series(0.0, index=shares.index))
        axis.bar(range(len(shares)), heights, bottom=bottom, color=colour)
        if heights.iloc[0] > 0:
            axis.text(0, bottom[0] + heights.iloc[0] / 2, name, ha="center", va="center", fontsize=8)
        bottom += heights.to_numpy()
    axis.set_xticks(range(len(shares)), shares.index, fontsize=8)
    nothing = (kind == "nothing").mean()
    axis.set(title=f"What came of it: {nothing:.0%} nothing", ylabel="% of searches", xlabel="half-year")
    return f"{nothing:.0%} ended with no further action, {(kind == 'arrest').mean():.0%} with an arrest."


def half_year(month: str) -> str:
    """The half of the financial year that a month such as 2018-04 is in, and the year it began."""
    year, number = int(month[:4]), int(month[5:])
    return f"{'Apr–Sep' if 4 <= number <= 9 else 'Oct–Mar'}\n{year - (number < 4)}"


def blanks(axis: Axes, searches: pd.DataFrame) -> str:
    """Bars: how much of each column is blank."""
    shares = (
        searches.drop(columns=["Policing operation", "search_id", "force", "month"])
        .isna()
        .mean()
        .sort_values()
    )
    shares = shares[shares > 0].tail(8)
    axis.barh(range(len(shares)), shares * 100, color=PURPLE)
    axis.set_yticks(range(len(shares)), [short(name) for name in shares.index], fontsize=8)
    axis.set(title="What is not written down", xlabel="% blank")
    return f"The column most often blank is '{shares.index[-1]}' ({shares.iloc[-1]:.0%})."


def rates(axis: Axes, searches: pd.DataFrame, population: pd.DataFrame) -> str:
    """Bars: searches for each thousand residents, by how officers saw people; not adjusted for anything."""
    residents = population.groupby("ethnic_group", observed=True)["residents"].sum()
    seen = searches["Officer-defined ethnicity"].value_counts().reindex(residents.index)
    rate = (1000 * seen / residents).astype(float)
    axis.bar(range(len(rate)), rate, color=BLUE)
    axis.set_xticks(range(len(rate)), rate.index, fontsize=8)
    axis.margins(y=0.1)
    for place, value in enumerate(rate):
        axis.text(place, value, f"{value:.0f}", ha="center", va="bottom", fontsize=8)
    axis.set(
        title="Whom: rates differ",
        ylabel="searches per 1,000 residents",
        xlabel="as the officer saw them",
    )
    return (
        f"For each 1,000 residents there were {rate['Black']:.0f} searches of people seen as Black and "
        f"{rate['White']:.0f} of people seen as White, with nothing adjusted for."
    )


def places(axis: Axes, searches: pd.DataFrame) -> str:
    """Dots: where searches were put on the map."""
    points = (
        searches.dropna(subset=["Latitude"]).groupby(["Longitude", "Latitude"]).size().reset_index(name="n")
    )
    axis.scatter(points["Longitude"], points["Latitude"], s=2 + points["n"] ** 0.5, color=BLUE, alpha=0.4)
    axis.set(title="Where: anonymous points", xlabel="longitude, degrees", ylabel="latitude, degrees")
    return f"They were moved to {len(points):,} points on the map."


def short(name: str) -> str:
    """A name short enough to stand beside a bar."""
    return name if len(name) <= 22 else name[:20].rstrip() + " …"
