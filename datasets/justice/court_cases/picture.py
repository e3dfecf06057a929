"""Draws court_cases: what a newcomer should see of it. Works on the official files' tables alone, too."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
OLD = ["1 to under 2 years", "2 years or more"]


def draw(tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """The figure, and what is to be seen in it in words."""
    panels = []
    if "caseload" in tables:
        panels.append((flow, tables["caseload"]))
    if "open_by_age" in tables:
        panels.append((ages, tables["open_by_age"]))
    if "cases" in tables:
        panels += [(durations, tables["cases"]), (regions, tables["cases"])]
    if "police_records" in tables and "court_records" in tables:
        panels.append((agreement, (tables["police_records"], tables["court_records"])))
    if "march_delivery" in tables and "cases" in tables:
        panels.append((march, (tables["cases"], tables["march_delivery"])))
    figure = Figure(figsize=(11, 7), layout="constrained")
    places = figure.subplots(2 if len(panels) > 2 else 1, min(len(panels), 3), squeeze=False).ravel()
    sentences = [panel(ax, frame) for ax, (panel, frame) in zip(places, panels, strict=False)]
    for ax in places[len(panels) :]:
        ax.set_axis_off()
    for ax in places[: len(panels)]:
        ax.spines[["top", "right"]].set_visible(False)
        ax.title.set_size(10)
    return figure, " ".join(sentences)


def moments(frame: pd.DataFrame) -> pd.Series:
    """Where a quarter's end is on the time axis, in years."""
    return frame["year"] + frame["quarter"].astype("str").str[1].astype(int) / 4


def flow(ax: Axes, caseload: pd.DataFrame) -> str:
    """Receipts and disposals by quarter."""
    counts = (
        caseload.assign(moment=moments(caseload)).groupby(["rdos", "moment"], observed=True)["value"].sum()
    )
    for name, colour, above in (("1. Receipts", RED, 9), ("2. Disposals", BLUE, -16)):
        if name in counts:
            line = (counts[name] / 1_000).astype(float)
            ax.plot(line.index, line, color=colour, lw=2)
            at = len(line) * 2 // 3
            ax.annotate(name[3:], (line.index[at], line.iloc[at]), color=colour, fontsize=9, ha="center",
                        xytext=(0, above), textcoords="offset points")  # fmt: skip
    ax.set(title="More cases arrive\nthan are completed", ylabel="thousand cases a quarter", xlabel="year")
    ax.set_ylim(0)
    if "1. Receipts" in counts and "2. Disposals" in counts:
        more = (counts["1. Receipts"] > counts["2. Disposals"].reindex(counts["1. Receipts"].index)).mean()
        return f"The Crown Court received more cases than it completed in {more:.0%} of the quarters."
    return f"The caseload table counts {int(counts.sum()):,} cases."


def ages(ax: Axes, by_age: pd.DataFrame) -> str:
    """Share of open cases that are a year old or more."""
    whole = by_age[by_age["receipt_type"].astype("str").str.contains("all open", case=False)]
    whole = whole[whole["offence_group"].astype("str").str.startswith("00")]
    whole = whole[whole["geographic_area"].astype("str").str.lower() == "england and wales"]
    counts = whole.assign(moment=moments(whole)).pivot_table(
        index="moment", columns="age_open_grouped", values="value", aggfunc="sum", observed=True
    )
    present = [name for name in OLD if name in counts]
    if "[Valid cases]" not in counts or not present:
        ax.text(0.5, 0.5, "no totals by age in this file", ha="center", transform=ax.transAxes)
        return "Totals by age are not in this file."
    share = (counts[present].sum(axis=1) / counts["[Valid cases]"]).astype(float)
    ax.plot(share.index, share, color=BLUE, lw=2)
    title = (
        "One open case in four\nis a year old or more" if share.iloc[-1] > 0.22 else "Open for a year or more"
    )
    ax.set(title=title, ylabel="share of cases whose age is known", xlabel="year")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_ylim(0)
    first, last = share.iloc[0], share.iloc[-1]
    return f"Of the open cases, {first:.1%} had waited a year or more at first, and {last:.1%} at last."


def durations(ax: Axes, cases: pd.DataFrame) -> str:
    """Days from charge to completion at the Crown Court, latest quarter."""
    crown = cases[(cases["court_type"] == "Crown Court") & (cases["completed_month"] >= "2025-10-01")]
    days = crown["days_charge_to_completion"].dropna().astype(float)
    ax.hist(days.clip(upper=1_200), bins=40, color=BLUE)
    for value, name, colour, high in (
        (days.median(), "median", ORANGE, 0.92),
        (days.mean(), "mean", RED, 0.80),
    ):
        ax.axvline(value, color=colour, lw=2)
        ax.annotate(
            f" {name} {value:.0f}",
            (value, high),
            xycoords=("data", "axes fraction"),
            color=colour,
            fontsize=9,
        )
    ax.set(
        title="A few cases take years:\nthe mean is not in the middle",
        ylabel="cases",
        xlabel="days from charge to completion",
    )
    middle, mean = days.median(), days.mean()
    return f"From charge to completion half take under {middle:.0f} days, and the mean is {mean:.0f}."


def regions(ax: Axes, cases: pd.DataFrame) -> str:
    """Median days by region, among cases that all had three years to end."""
    trials = ["Triable-either-way trials", "Indictable only trials"]
    kept = cases[cases["receipt_type"].isin(trials) & (cases["received_month"] < "2023-01-01")]
    days = kept["days_charge_to_completion"].astype(float).fillna(9_999)  # still open: longer than all
    medians = days.groupby(kept["region"], observed=True).median().sort_values()
    ax.barh(medians.index.astype("str"), medians, color=BLUE)
    for place, value in enumerate(medians):
        ax.annotate(f"{value:.0f} ", (value, place), ha="right", va="center", color="white", fontsize=9)
    ax.set(
        title="The same kind of case\ntakes longer in some regions",
        xlabel="median days, trials received 2018 to 2022",
        ylabel="region",
    )
    return (
        f"A trial takes {medians.iloc[-1]:.0f} days in {medians.index[-1]} and {medians.iloc[0]:.0f} in "
        f"{medians.index[0]} (medians; fictional regions)."
    )


def agreement(ax: Axes, sides: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """How many police records find a court record by exact agreement, the more is asked the fewer."""
    police, court = sides
    names = ["given_name", "family_name"]
    asked = {"names": names, "and birthday": [*names, "date_of_birth"],
             "and postcode": [*names, "date_of_birth", "postcode"]}  # fmt: skip
    found = {}
    for label, columns in asked.items():
        there = court.dropna(subset=columns)[columns].drop_duplicates()
        hit = police[columns].merge(there, on=columns, how="left", indicator=True)["_merge"] == "both"
        found[label] = float((hit.to_numpy() & police[columns].notna().all(axis=1).to_numpy()).mean())
    ax.bar(list(found), list(found.values()), color=[ORANGE, BLUE, GREEN])
    for place, share in enumerate(found.values()):
        ax.annotate(
            f"{share:.0%}", (place, share), ha="center", xytext=(0, 3), textcoords="offset points", fontsize=9
        )
    ax.set(
        title="The more must agree exactly,\nthe more links are lost",
        xlabel="what must agree",
        ylabel="police records that find a court record",
    )
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.tick_params(axis="x", labelsize=8)
    both = found["and birthday"]
    return (
        f"With names and birthday alike to the letter, {both:.0%} of the police records find a court record."
    )


def march(ax: Axes, feed: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """Rows of each month's batch, and the March batch as it first came."""
    cases, delivery = feed
    months = cases[cases["received_month"] >= "2024-07-01"].groupby("received_month").size()
    ax.bar(months.index, months, width=24, color=BLUE)
    bad = pd.Timestamp("2025-03-01")
    ax.bar([bad], [len(delivery)], width=24, color=RED)
    ax.annotate("as first delivered", (bad, len(delivery) * 0.5), color="white", fontsize=9, ha="center",
                va="center", rotation=90)  # fmt: skip
    ax.set(
        title="The number of rows\ndoes not show the bad month",
        ylabel="rows in the monthly batch",
        xlabel="month of receipt",
    )
    ax.tick_params(axis="x", labelrotation=45, labelsize=8)
    return f"The batch of March 2025 first came with {len(delivery):,} rows where {months[bad]:,} were due."
