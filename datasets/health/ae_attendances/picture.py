"""Draws what a newcomer should see of A&E: the monthly table, and single attendances where there are any."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from civicml.datasets.tables import Tables

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
KINDS = {"type_1": ("Type 1, major", BLUE), "other": ("Type 3, urgent", GREEN)}


def draw(tables: Tables) -> tuple[Figure, str]:
    """One figure of up to six panels, and its description in words."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    single = "attendances" in tables
    axes = list(figure.subplots(2, 3 if single else 2).flat)
    words = draw_months(axes, tables["monthly"], single=single)
    if single:
        words += draw_attendances(axes[2:], tables["attendances"])
    return figure, " ".join(words)


def draw_months(axes: list[Axes], monthly: pd.DataFrame, *, single: bool) -> list[str]:
    """The panels of the monthly table: volume and the target; waits and providers where there is room."""
    every = monthly.groupby("month").sum(numeric_only=True)
    seen = {k: every[f"attendances_{k}"] + every[f"booked_{k}"] for k in ("type_1", "type_2", "other")}
    late = {k: every[f"over_4h_{k}"] + every[f"booked_over_4h_{k}"] for k in seen}
    within = {k: 100 * (1 - late[k] / seen[k]) for k in KINDS}
    marker = "o" if len(every) < 4 else None
    for kind, (name, colour) in KINDS.items():
        a_day = seen[kind] / every.index.days_in_month.to_numpy() / 1e3
        axes[0].plot(every.index, a_day, color=colour, marker=marker)
        axes[0].annotate(name, (every.index[0], a_day.iloc[0]), (0, -16), textcoords="offset points")
        axes[1].plot(every.index, within[kind], color=colour, marker=marker)
        axes[1].annotate(
            name,
            (every.index[0], within[kind].iloc[0]),
            (0, -16 if kind == "other" else -38),
            textcoords="offset points",
        )
    # What holds for the course's own tables need not hold for a few official months.
    titles = ["Three in five come to a major department", "Winter is hardest for major departments"]
    titles = titles if single else ["Attendances, by type of department", "The four-hour target"]
    dress(axes[0], titles[0], "month", "attendances a day (thousands)")
    axes[0].set_ylim(bottom=0)
    dress(axes[1], titles[1], "month", "within 4 hours (%)")
    axes[1].set_ylim(40, 102)
    for axis in axes[:2]:
        axis.tick_params(axis="x", rotation=30)
    waits = every["waited_over_12h_from_decision"]
    all_seen = sum(counts.sum() for counts in seen.values()) / 1e6
    low, high = within["type_1"].idxmin(), within["type_1"].idxmax()
    span = f"{low:%B %Y}" if len(every) == 1 else f"{every.index[0]:%B %Y} to {every.index[-1]:%B %Y}"
    reached = f"{within['type_1'][low]:.1f}% were within four hours in {low:%B %Y}"
    words = [f"{all_seen:,.1f} million attendances, {span}.", f"Of those at major departments, {reached}"]
    if len(every) == 1:
        words[1] += f"; {waits.sum():,} patients waited over 12 hours from decision to admit."
    else:
        words[1] += (
            f" and {within['type_1'][high]:.1f}% in {high:%B %Y}; waits of over 12 hours from decision to "
            f"admit ran from {waits.min():,} to {waits.max():,} a month."
        )
    if not single:
        axes[2].plot(every.index, waits / 1e3, color=RED, marker=marker)
        dress(axes[2], "Waits over 12 hours from the decision to admit", "month", "patients (thousands)")
        axes[2].set_ylim(bottom=0)
        axes[2].tick_params(axis="x", rotation=30)
        major = monthly.groupby("org_code", observed=True).sum(numeric_only=True)
        major = major[major["attendances_type_1"] > 0]
        share = 100 * (1 - (major["over_4h_type_1"] + major["booked_over_4h_type_1"])
                       / (major["attendances_type_1"] + major["booked_type_1"]))  # fmt: skip
        axes[3].hist(share.astype(float), bins=20, color=BLUE)
        dress(axes[3], "Providers with a major department", "type 1 within 4 hours (%)", "providers")
        words.append(f"Providers' own shares ran from {share.min():.0f}% to {share.max():.0f}%.")
    return words


def draw_attendances(axes: list[Axes], attendances: pd.DataFrame) -> list[str]:
    """The panels of single attendances at major departments: target, hours, who is admitted, blanks."""
    rows = attendances.drop_duplicates("attendance_id")
    rows = rows[rows["department_type"] == "Type 1"]
    minutes = rows["minutes_in_department"]
    for admitted, name, colour in ((False, "sent home", ORANGE), (True, "admitted", BLUE)):
        axes[0].hist(minutes[rows["admitted"] == admitted], bins=range(0, 720, 10), histtype="step",
                     color=colour, linewidth=1.6, label=name)  # fmt: skip
    axes[0].axvline(240, color="black", linestyle=":", linewidth=1)
    axes[0].legend(frameon=False)
    dress(
        axes[0], "Many leave just before four hours", "minutes in department", "attendances, per 10 minutes"
    )

    hours = rows.groupby("arrival_hour")["over_4_hours"]
    winter = rows["arrival_date"].dt.month.isin([12, 1, 2])
    for part, name, colour in ((winter, "Dec to Feb", BLUE), (~winter, "other months", ORANGE)):
        share = 100 * rows[part].groupby("arrival_hour")["over_4_hours"].mean()
        axes[1].plot(share.index, share, color=colour, label=name)
    axes[1].legend(frameon=False)
    axes[1].set_ylim(bottom=0)
    dress(axes[1], "Evenings wait longest", "hour of arrival", "over 4 hours (%)")

    by_age = 100 * rows.groupby("age_band", observed=True)["admitted"].mean()
    axes[2].bar(by_age.index.astype(str), by_age, color=BLUE)
    dress(axes[2], "Admission rises with age", "age (years)", "admitted (%)")
    axes[2].tick_params(axis="x", labelsize=8)

    blank = 100 * rows["acuity"].isna().groupby(rows["arrival_hour"]).mean()
    axes[3].plot(blank.index, blank, color=RED)
    axes[3].set_ylim(bottom=0)
    dress(axes[3], "Blanks come with the crowd", "hour of arrival", "no triage category (%)")

    late = 100 * hours.mean()
    spike = 100 * minutes.between(221, 240).mean()
    return [
        f"In the sample, {spike:.0f}% of attendances at major departments end in the last 20 minutes before "
        f"four hours. {late.max():.0f}% of those who arrive at {int(late.idxmax()):02d}:00 stay for longer "
        f"than four hours, and {late.min():.0f}% of those at {int(late.idxmin()):02d}:00.",
        f"{by_age.min():.0f}% of patients aged {by_age.idxmin()} are admitted, and {by_age.max():.0f}% of "
        f"those aged {by_age.idxmax()}. The triage category is blank for {blank.min():.0f}% to "
        f"{blank.max():.0f}%, depending on the hour.",
    ]


def dress(axis: Axes, title: str, across: str, up: str) -> None:
    """Title and labels; no box."""
    axis.set_title(title, fontsize=10, loc="left")
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    axis.spines[["top", "right"]].set_visible(False)
