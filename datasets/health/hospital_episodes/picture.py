"""Draws what a newcomer should see of the hospital episodes: six small panels, and the same in words."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PINK, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def draw(tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """One figure of six panels, and its description with the numbers that are in it."""
    episodes = tables["episodes"].drop_duplicates("episode_id")
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, 3)
    told = [
        draw_stays(panels[0, 0], episodes),
        draw_deprivation(panels[0, 1], episodes, tables["patients"]),
        draw_readmissions(panels[0, 2], episodes),
        draw_coding(panels[1, 0], episodes),
        draw_weekdays(panels[1, 1], tables["extract"]),
        draw_singling_out(panels[1, 2], tables["extract"]),
    ]
    for panel in panels.flat:
        panel.title.set_size(10)
        panel.xaxis.label.set_size(9)
        panel.tick_params(labelsize=8)
    figure.suptitle("Stays in four fictional hospitals, April 2023 to March 2026")
    return figure, " ".join(told)


def draw_stays(panel: Axes, episodes: pd.DataFrame) -> str:
    """Mean nights by age band, emergencies and planned stays apart."""
    overnight = episodes[episodes["admission_method"].isin(["Emergency", "Elective"])]
    mean = overnight.pivot_table(
        index="age_band", columns="admission_method", values="length_of_stay", observed=True
    )
    for name, colour, side in (("Emergency", RED, 14), ("Elective", BLUE, -16)):
        panel.plot(mean.index.astype(str), mean[name], marker="o", color=colour)
        panel.annotate(
            name, (3, mean[name].iloc[3]), (0, side), textcoords="offset points", color=colour, ha="center"
        )
    panel.set(
        title="Emergencies stay longer, more so with age",
        xlabel="Age (years)",
        ylabel="Mean stay (nights)",
    )
    panel.set_ylim(0)
    panel.tick_params("x", rotation=45)
    young, old = mean.loc["40-49", "Emergency"], mean.loc["80+", "Emergency"]
    return (
        f"Emergency patients stay {young:.1f} nights on average at 40 to 49 and {old:.1f} at 80 and over; "
        "planned stays lengthen less."
    )


def draw_deprivation(panel: Axes, episodes: pd.DataFrame, patients: pd.DataFrame) -> str:
    """Share of emergencies by fifth of deprivation."""
    fifth = episodes["patient_id"].map(patients.set_index("patient_id")["imd_quintile"])
    share = (episodes["admission_method"] == "Emergency").groupby(fifth).mean() * 100
    panel.bar(share.index.astype(str), share, color=SKY)
    for place, value in enumerate(share):
        panel.annotate(f"{value:.0f}", (place, value), ha="center", va="bottom")
    panel.set_ylim(0, share.max() * 1.1)
    panel.set(
        title="The more deprived, the more emergencies",
        xlabel="Fifth of deprivation (1 = most deprived)",
        ylabel="Admitted as an emergency (%)",
    )
    first, last = share.iloc[0], share.iloc[-1]
    return (
        f"In the most deprived fifth {first:.0f}% of stays begin as an emergency, in the least {last:.0f}%."
    )


def draw_readmissions(panel: Axes, episodes: pd.DataFrame) -> str:
    """Readmission within 30 days by emergency admissions in the year before."""
    known = episodes.dropna(subset="readmitted_30")
    groups = known["readmitted_30"].astype(float).groupby(known["emergencies_before"])
    share, error = groups.mean() * 100, groups.sem() * 196
    panel.errorbar(share.index, share, yerr=error, fmt="o", color=GREEN, capsize=3)
    panel.set(
        title="Emergencies before, readmission after",
        xlabel="Emergencies in the year before (4 = 4 or more)",
        ylabel="Readmitted within 30 days (%)",
        xticks=list(share.index),
    )
    panel.set_ylim(0)
    return (
        f"{share.iloc[0]:.0f}% of those without an emergency in the year before are back within 30 days, and "
        f"{share.iloc[-1]:.0f}% of those with four or more (bars: 95% intervals)."
    )


def draw_coding(panel: Axes, episodes: pd.DataFrame) -> str:
    """Respiratory and infectious emergencies by month: a season, and a change of coding."""
    emergencies = episodes[episodes["admission_method"] == "Emergency"].dropna(subset="admission_month")
    by_month = emergencies.groupby(["admission_month", "diagnosis_group"], observed=True).size().unstack()
    for name, colour in (("Respiratory", BLUE), ("Infectious", ORANGE)):
        panel.plot(by_month.index, by_month[name], color=colour, label=name)
    panel.legend(frameon=False, fontsize=8, loc="lower left", ncols=2)
    change = pd.Timestamp("2024-10-01")
    panel.axvline(change, color="black", linewidth=0.8, linestyle="--")
    top = (change, by_month["Respiratory"].max())
    panel.annotate("coding\nchanges", top, (3, 0), textcoords="offset points", va="top", fontsize=8)
    panel.set(
        title="Winter is real, the step is not", xlabel="Month of admission", ylabel="Emergencies a month"
    )
    panel.set_ylim(0)
    panel.tick_params("x", rotation=45)
    infectious, month = by_month["Infectious"], by_month.index.month
    before, after = infectious[by_month.index < change].mean(), infectious[by_month.index >= change].mean()
    winter, summer = (
        by_month.loc[month.isin(part), "Respiratory"].mean() for part in ([12, 1, 2], [6, 7, 8])
    )
    return (
        f"There are {winter:.0f} respiratory emergencies a month in winter and {summer:.0f} in summer. "
        f"Infectious ones step up from {before:.0f} to {after:.0f} a month when coding changes on "
        "1 October 2024; the last weeks are not all coded."
    )


def draw_weekdays(panel: Axes, extract: pd.DataFrame) -> str:
    """Admissions by weekday in the extract."""
    weekday = extract["admission_date"].dt.day_of_week
    urgent = extract["admission_method"] == "Emergency"
    planned = extract["admission_method"].isin(["Elective", "Day case"])
    for name, rows, colour, side in (("Emergency", urgent, RED, -0.2), ("Planned", planned, BLUE, 0.2)):
        counts = weekday[rows].value_counts().reindex(range(7), fill_value=0)
        panel.bar(counts.index + side, counts, width=0.4, color=colour, label=name)
    panel.legend(frameon=False, fontsize=8)
    panel.set(
        title="Planned stays begin Monday to Friday", xlabel="Day of admission", ylabel="Rows of the extract"
    )
    panel.set_xticks(range(7), DAYS)
    weekend = (weekday[planned] >= 5).mean()
    return f"Only {weekend:.0%} of planned stays begin at a weekend; emergencies hardly know weekdays."


def draw_singling_out(panel: Axes, extract: pd.DataFrame) -> str:
    """Share of the extract's rows that only one person fits, by what an intruder knows."""
    person = ["birth_date", "sex", "postcode_sector"]
    rows = extract.assign(
        person=extract.groupby(person, observed=True).ngroup(),
        year=extract["birth_date"].dt.year,
        town=extract["postcode_sector"].str[:3],
        month=extract["admission_date"].dt.to_period("M").astype(str),
    )
    known = {
        "birth year, sex": ["year", "sex"],
        "… and town": ["year", "sex", "town"],
        "… and month": ["year", "sex", "town", "month"],
        "… and day": ["year", "sex", "town", "admission_date"],
        "birth date, sex": ["birth_date", "sex"],
    }
    alone = {
        what: (rows.groupby(columns, observed=True)["person"].transform("nunique") == 1).mean() * 100
        for what, columns in known.items()
    }
    panel.barh(list(alone), list(alone.values()), color=PINK)
    for place, value in enumerate(alone.values()):
        panel.annotate(
            f"{value:.0f}%", (min(value, 84), place), (3, 0), textcoords="offset points", va="center"
        )
    panel.invert_yaxis()
    panel.set(title="No names, yet nearly all can be found", xlim=(0, 100))
    panel.set(xlabel="Rows of the extract that one person fits (%)")
    return (
        "In the extract, birth year, sex and town fit one person only in "
        f"{alone['… and town']:.0f}% of rows; with the day of admission in {alone['… and day']:.1f}%."
    )
