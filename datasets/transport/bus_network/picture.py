"""One figure of what a newcomer should see of the buses: the day, the weeks, the rain, works and delays."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
KINDS = {"trunk": BLUE, "local": GREEN, "school": PURPLE, "night": RED, "park and ride": ORANGE}
KNOWN = "hours with a bus and a count"
LATE = 359  # seconds; a bus is on time from a minute early to 5:59 late

Tables = Mapping[str, pd.DataFrame]


def draw(tables: Tables) -> tuple[Figure, str]:
    """Six panels, or fewer where a table is missing, and what they show in words."""
    panels = [
        (the_day, {"boardings", "calendar"}),
        (two_years, {"boardings"}),
        (the_rain, {"boardings", "weather", "calendar"}),
        (last_week, {"boardings"}),
        (the_works, {"departures", "events"}),
        (the_delays, {"departures", "routes"}),
    ]
    tables = {**tables, KNOWN: known(tables["boardings"])} if "boardings" in tables else tables
    able = [panel for panel, needs in panels if needs <= set(tables)]
    figure = Figure(figsize=(11, 7), layout="constrained")
    rows = 2 if len(able) > 3 else 1
    axes = figure.subplots(rows, -(-len(able) // rows), squeeze=False).ravel()
    words = [panel(axis, tables) for panel, axis in zip(able, axes, strict=False)]
    for axis in axes[len(able) :]:
        axis.set_visible(False)
    return figure, " ".join(words)


def known(boardings: pd.DataFrame) -> pd.DataFrame:
    """Hours with a bus and a count, each once."""
    rows = boardings.drop_duplicates(["route_id", "hour_start_utc"])
    rows = rows[(rows["timetabled"] > 0) & rows["boardings"].notna()]
    return rows.assign(
        boardings=rows["boardings"].astype(float),
        date=rows["hour_start"].dt.normalize(),
        hour=rows["hour_start"].dt.hour,
    )


def label(axis: Axes, title: str, across: str, up: str) -> None:
    """Title and axes of one panel."""
    axis.set_title(title, fontsize=10, loc="left")
    axis.set_xlabel(across, fontsize=8)
    axis.set_ylabel(up, fontsize=8)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def the_day(axis: Axes, tables: Tables) -> str:
    """Passengers by hour on the three kinds of day."""
    rows = tables[KNOWN]
    service = rows["date"].map(tables["calendar"].set_index("date")["service"].astype(str))
    each = rows.groupby([service, "date", "hour"])["boardings"].sum().groupby(level=[0, 2]).mean()
    for name, colour in (("weekday", BLUE), ("saturday", ORANGE), ("sunday", GREEN)):
        line = each[name].loc[5:23]
        axis.plot(line.index, line, color=colour)
        hour = {"weekday": 17, "saturday": 12, "sunday": 14}[name]
        where = {"color": colour, "fontsize": 8, "xytext": (2, 4), "textcoords": "offset points"}
        axis.annotate(name, (hour, line[hour]), **where)
    axis.set_xticks(range(6, 24, 3))
    label(axis, "Weekdays have two peaks, weekends one", "hour of the day", "passengers an hour, all routes")
    weekday, sunday = each["weekday"][8], each["sunday"][8]
    return f"On a weekday {weekday:,.0f} passengers get on between eight and nine, on a Sunday {sunday:,.0f}."


def two_years(axis: Axes, tables: Tables) -> str:
    """Passengers of each week."""
    rows = tables[KNOWN]
    daily = rows.groupby("date")["boardings"].sum()
    weekly = daily.resample("W-MON", label="left", closed="left").mean() / 1_000
    axis.plot(weekly.index[:-1], weekly.iloc[:-1], color=BLUE)
    axis.set_ylim(0)
    lowest = weekly.iloc[:-1].idxmin()
    axis.annotate(f"{lowest:%B %Y}", (lowest, weekly[lowest]), fontsize=8, ha="center",
                  xytext=(0, -12), textcoords="offset points")  # fmt: skip
    axis.tick_params(axis="x", rotation=30)
    label(axis, "Holidays, snow and a strike cut into the weeks", "week", "thousand passengers a day")
    return (
        f"A day has {daily.mean():,.0f} passengers on average; the lowest week, that of {lowest.day} "
        f"{lowest:%B %Y}, has {weekly[lowest] * 1_000:,.0f} a day."
    )


def the_rain(axis: Axes, tables: Tables) -> str:
    """What rain does to commuters and to everybody else, against the same hours without rain."""
    weather = tables["weather"].set_index("hour_start_utc")["rain_mm"]
    rows = tables[KNOWN]
    total = rows.groupby("hour_start_utc").agg(boardings=("boardings", "sum"), hour=("hour", "first"))
    total["weekday"] = rows.groupby("hour_start_utc")["date"].first().dt.day_of_week
    total["rain"] = pd.cut(
        weather.reindex(total.index), [-1, 0, 0.5, 2, 100], labels=["none", "to 0.5", "to 2", "more"]
    )
    total["month"] = total.index.month
    school = tables["calendar"].set_index("date")["school_day"]
    total["school"] = rows.groupby("hour_start_utc")["date"].first().map(school).astype(bool)
    same = ["month", "weekday", "hour"]
    change = {}
    for name, colour, chosen in (
        ("at 7 and 8, school days", BLUE, total["school"] & total["hour"].isin([7, 8])),
        ("from 10 to 15, all days", ORANGE, total["hour"].between(10, 15)),
    ):
        part = total[chosen]
        usual = part[part["rain"] == "none"].groupby(same)["boardings"].median()
        against = part["boardings"] / pd.MultiIndex.from_frame(part[same]).map(usual)
        means = (against.groupby(part["rain"], observed=True).median() - 1) * 100
        change[name] = means.iloc[-1]
        axis.plot(range(len(means)), means, color=colour, marker="o")
        place = {"color": colour, "fontsize": 8, "ha": "center", "textcoords": "offset points"}
        axis.annotate(name, (2, means.iloc[2]), xytext=(-35, 14 if colour == BLUE else -14), **place)
    axis.axhline(0, color="grey", linewidth=0.6)
    axis.set_xticks(range(4), ["none", "to 0.5", "to 2", "more"])
    label(
        axis,
        "Rain keeps shoppers at home",
        "rain in the hour, mm",
        "passengers, % more or fewer",
    )
    peak, day = change.values()
    return (
        f"Against dry hours of the same month and weekday, more than 2 mm of rain means {peak:+.0f}% "
        f"passengers in the morning rush of school days and {day:+.0f}% in the middle of the day."
    )


def last_week(axis: Axes, tables: Tables) -> str:
    """How good the same hour of last week is as a forecast."""
    rows = tables[KNOWN][["route_id", "hour_start", "hour", "boardings"]]
    before = rows.assign(hour_start=rows["hour_start"] + pd.Timedelta(days=7))
    both = rows.merge(before, on=["route_id", "hour_start"], suffixes=("", "_before"))
    miss = (both["boardings"] - both["boardings_before"]).abs().groupby(both["hour"]).mean()
    usual = both.groupby("hour")["boardings"].mean()
    axis.bar(usual.index, usual, color=SKY, label="passengers")
    axis.bar(miss.index, miss, color=BLUE, width=0.5, label="missed by")
    axis.legend(fontsize=8, frameon=False)
    label(
        axis, "Last week's same hour is a decent forecast", "hour of the day", "passengers, a route and hour"
    )
    return (
        f"The same hour of last week misses by {miss[8]:.0f} passengers at eight, where a route "
        f"has {usual[8]:.0f}."
    )


def the_works(axis: Axes, tables: Tables) -> str:
    """How late routes are while they are diverted, and in the six weeks before."""
    events, rows = tables["events"], tables["departures"].dropna(subset=["seconds_late"])
    works = events[events["kind"] == "roadworks"]
    pairs = []
    for event in works.itertuples():
        mine = rows[rows["route_id"] == event.route_id]
        during = mine[mine["scheduled"].between(event.starts, event.ends)]["seconds_late"].astype(float)
        begins = event.starts - pd.Timedelta(weeks=6)
        before = mine[mine["scheduled"].between(begins, event.starts)]["seconds_late"].astype(float)
        if len(during) > 30 and len(before) > 30:
            pairs.append((event.description.partition(",")[0], before.mean() / 60, during.mean() / 60))
    found = pd.DataFrame(pairs, columns=["place", "before", "during"]).groupby("place").mean()
    found = found.sort_values("during")
    axis.hlines(range(len(found)), found["before"], found["during"], color="lightgrey")
    axis.scatter(found["before"], range(len(found)), color=SKY, s=22, label="six weeks before")
    axis.scatter(found["during"], range(len(found)), color=RED, s=22, label="during")
    axis.set_yticks(range(len(found)), found.index)
    axis.legend(fontsize=7, frameon=False)
    label(axis, "Roadworks make diverted routes late", "minutes late, mean", "")
    more = (found["during"] - found["before"]).mean()
    return f"During roadworks the diverted routes are {more:.1f} minutes later on average than before."


def the_delays(axis: Axes, tables: Tables) -> str:
    """On time by route."""
    rows = tables["departures"].dropna(subset=["seconds_late"])
    good = rows["seconds_late"].between(-60, LATE)
    share = (good.groupby(rows["route_id"].astype(str)).mean() * 100).sort_values()
    kind = tables["routes"].set_index(tables["routes"]["route_id"].astype(str))["kind"].astype(str)
    for name, colour in KINDS.items():
        at = [place for place, route in enumerate(share.index) if kind[route] == name]
        axis.scatter(at, share.iloc[at], color=colour, s=18, label=name)
    axis.axhline(good.mean() * 100, color="grey", linewidth=0.8)
    axis.legend(fontsize=7, frameon=False)
    label(axis, "Routes differ more than the average tells", "routes, worst first", "departures on time, %")
    worst, best = share.iloc[0], share.iloc[-1]
    return (
        f"On time are {good.mean():.1%} of the departures that have a time, from {worst:.0f}% on the worst "
        f"route to {best:.0f}% on the best."
    )
