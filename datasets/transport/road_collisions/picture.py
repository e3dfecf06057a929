"""One picture of road collisions for a newcomer, and its description in words.

Works on the course's tables and on official files of either country: a panel whose columns are blank is left
out. Must not know what was planted.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from civicml.datasets.tables import Tables

BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
LIGHT = {1: "daylight", 4: "dark,\nlit", 6: "dark,\nno lamps"}
KINDS = {"pedestrians": [0], "cyclists": [1], "motorcyclists": [2, 3, 4, 5, 23, 97], "people in cars": [8, 9]}
OFTEN_BLANK = ["junction_control", "special_conditions_at_site", "engine_capacity_cc", "driver_imd_decile"]
ENOUGH = 30


def draw(tables: Tables) -> tuple[Figure, str]:
    """The picture and its description in words."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    collisions = tables["collision"].assign(grave=tables["collision"]["collision_severity"] <= 2)
    said = [
        by_hour(axes[0], collisions),
        by_speed(axes[1], collisions),
        by_light(axes[2], collisions),
        by_system(axes[3], collisions),
        by_kind(axes[4], tables.get("casualty")),
        blanks(axes[5], tables),
    ]
    for axis in axes:
        axis.set_visible(axis.has_data())
        axis.spines[["top", "right"]].set_visible(False)
        axis.title.set_fontsize(10)
        axis.tick_params(labelsize=8)
    return figure, " ".join(sentence for sentence in said if sentence)


def grave_share(rows: pd.DataFrame, column: str) -> pd.Series:
    """Per cent fatal or serious in each group of `column` that is known and large enough to say."""
    groups = rows[rows[column] >= 0].groupby(column)["grave"].agg(["mean", "size"])
    return 100 * groups.loc[groups["size"] >= ENOUGH, "mean"]


def by_hour(axis: Axes, rows: pd.DataFrame) -> str:
    """Lines: collisions on a working day and on a day of the weekend, by hour."""
    hour = pd.to_numeric(rows["time"].astype("str").str[:2], errors="coerce")
    weekend = rows["date"].dt.day_of_week >= 5
    peak = {}
    for name, who, colour in (("Monday to Friday", ~weekend, BLUE), ("weekend", weekend, ORANGE)):
        counts = hour[who].value_counts().reindex(range(24), fill_value=0)
        counts = counts / max(rows.loc[who, "date"].nunique(), 1)
        axis.plot(counts.index, counts, color=colour)
        place = (0.02, 0.94 if name == "weekend" else 0.87)
        axis.text(*place, name, color=colour, fontsize=8, transform=axis.transAxes)
        peak[name] = int(counts.idxmax())
    axis.set(
        title="Working days follow the journey to work", xlabel="hour of the day", ylabel="collisions a day"
    )
    axis.set(xticks=range(0, 25, 6), ylim=0)
    week, weekend_peak = peak.values()
    return (
        f"On working days most collisions are between {week}:00 and {week + 1}:00, at weekends between "
        f"{weekend_peak}:00 and {weekend_peak + 1}:00."
    )


def by_speed(axis: Axes, rows: pd.DataFrame) -> str:
    """Bars: fatal or serious by speed limit."""
    rates = grave_share(rows[rows["speed_limit"] < 99], "speed_limit")  # 99: not known
    if len(rates) < 2:
        return ""
    axis.bar_label(axis.bar(rates.index.astype(int).astype(str), rates, color=RED), fmt="%.0f", fontsize=8)
    axis.set(
        title="How fast, how bad", xlabel="speed limit, mph", ylabel="fatal or serious, %"
    )
    return (
        f"The share that is fatal or serious is lowest at a limit of {rates.idxmin():.0f} "
        f"({rates.min():.0f}%) and highest at {rates.idxmax():.0f} ({rates.max():.0f}%)."
    )


def by_light(axis: Axes, rows: pd.DataFrame) -> str:
    """Bars: fatal or serious by light."""
    rates = grave_share(rows, "light_conditions")
    rates = rates[[code for code in LIGHT if code in rates.index]]
    if len(rates) < 2:
        return ""
    names = [LIGHT[code] for code in rates.index]
    axis.bar_label(axis.bar(names, rates, color=PURPLE), fmt="%.0f", fontsize=8)
    axis.set(title="Dark roads are worse", xlabel="light", ylabel="fatal or serious, %")
    return f"It is {rates.iloc[0]:.0f}% in daylight and {rates.iloc[-1]:.0f}% in the dark without lamps."


def by_system(axis: Axes, rows: pd.DataFrame) -> str:
    """Bars: fatal or serious by how the police force recorded severity."""
    rates = grave_share(rows, "collision_injury_based")
    if len(rates) < 2:
        return ""
    names = ["officer's\njudgement", "list of\ninjuries"]
    axis.bar_label(axis.bar(names, rates, color=ORANGE), fmt="%.0f", fontsize=8)
    axis.set(title="The form decides too", xlabel="how severity was recorded", ylabel="fatal or serious, %")
    share = 100 * (rows["collision_injury_based"] == 1).mean()
    return (
        f"Where the police tick a list of injuries ({share:.0f}% of collisions) {rates.iloc[1]:.0f}% are "
        f"fatal or serious, where an officer judges {rates.iloc[0]:.0f}%."
    )


def by_kind(axis: Axes, rows: pd.DataFrame | None) -> str:
    """Bars: killed or seriously hurt, by kind of road user."""
    if rows is None:
        return ""
    grave = rows["casualty_severity"] <= 2
    kinds = {kind: rows["casualty_type"].isin(codes) for kind, codes in KINDS.items()}
    rates = pd.Series({kind: 100 * grave[who].mean() for kind, who in kinds.items() if who.sum() >= ENOUGH})
    if len(rates) < 2:
        return ""
    axis.bar_label(axis.barh(rates.index, rates, color=GREEN), fmt="%.0f", fontsize=8)
    axis.set(title="Motorcyclists are hurt worst", xlabel="killed or seriously hurt, % of those hurt")
    return (
        f"Of the {rates.idxmax()} who are hurt {rates.max():.0f}% are killed or seriously hurt, of the "
        f"{rates.idxmin()} {rates.min():.0f}%."
    )


def blanks(axis: Axes, tables: Tables) -> str:
    """Bars: the columns that are missing most often, of those a newcomer will meet."""
    found = {}
    for table in (tables[name] for name in ("collision", "vehicle") if name in tables):
        for column in set(OFTEN_BLANK) & set(table.columns):
            found[column] = 100 * (table[column].isna() | (table[column] == -1)).mean()
    rates = pd.Series(found).sort_values()
    axis.bar_label(
        axis.barh(rates.index.str.replace("_", "\n", 1), rates, color=BLUE), fmt="%.0f", fontsize=8
    )
    axis.set(title="Missing is written -1", xlabel="missing, % of rows")
    return f"Missing (-1) is common: {rates.iloc[-1]:.0f}% of rows in {rates.index[-1]}."
