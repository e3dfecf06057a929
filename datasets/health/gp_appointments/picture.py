"""One picture of the appointments for a newcomer, and its description in words.

Works on the course's tables and on official files, which hold daily counts only. Must not know what was
planted.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from civicml.datasets.tables import Tables

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
UNKNOWN = "Unknown / Data Quality"


def draw(tables: Tables) -> tuple[Figure, str]:
    """The picture and its description in words."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    rows = counted(tables)
    said = [
        by_wait(axes[0], rows),
        by_mode(axes[1], rows),
        by_month(axes[2], rows),
        by_weekday(axes[3], rows),
    ]
    if "patients" in tables:
        people = known(tables)
        said += [by_age(axes[4], people), by_decile(axes[5], people)]
    else:
        said.append(by_staff(axes[4], rows))
        axes[5].set_visible(False)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.title.set_fontsize(10)
        axis.tick_params(labelsize=8)
    return figure, " ".join(said)


def counted(tables: Tables) -> pd.DataFrame:
    """Appointments not cancelled, in rows or in groups: date, mode, staff, wait, number and status."""
    if "appointments" in tables:
        rows = tables["appointments"].drop_duplicates("appointment_id")
        names = {"appointment_date": "date", "appt_mode": "mode", "hcp_type": "staff"}
        rows = rows.rename(columns={**names, "time_between_book_and_appt": "wait"}).assign(number=1)
        rows["status"] = rows["appt_status"].str.strip().str.lower()
    else:
        names = {"Appointment_Date": "date", "APPT_MODE": "mode", "HCP_TYPE": "staff"}
        names |= {"TIME_BETWEEN_BOOK_AND_APPT": "wait", "COUNT_OF_APPOINTMENTS": "number"}
        rows = tables["daily_counts"].rename(columns=names)
        rows["number"] = rows["number"].fillna(0).astype(int)
        rows["status"] = rows["APPT_STATUS"].astype(str).str.lower()
    return rows.loc[rows["status"] != "cancelled", ["date", "mode", "staff", "wait", "number", "status"]]


def known(tables: Tables) -> pd.DataFrame:
    """Appointments that were attended or missed, with the patient's age and decile."""
    rows = tables["appointments"].drop_duplicates("appointment_id")
    status = rows["appt_status"].str.strip().str.lower()
    rows = rows.assign(missed=status == "dna")[status.isin(["attended", "dna"])]
    return rows.merge(tables["patients"], on="patient_id")


def missed(rows: pd.DataFrame, column: str) -> pd.Series:
    """Per cent missed in each group of `column`, of those that were attended or missed."""
    held = rows[rows["status"].isin(["attended", "dna"])]
    sums = held.groupby([held["status"] == "dna", column], observed=True)["number"].sum().unstack(level=0)
    return (100 * sums[True] / sums.sum(axis=1)).dropna()


def bars(axis: Axes, rates: pd.Series, colour: str, title: str, label: str) -> None:
    """Bars of per cent missed, each with its number."""
    axis.bar_label(axis.bar(rates.index.astype(str), rates, color=colour), fmt="%.1f", fontsize=8)
    axis.set(title=title, xlabel=label, ylabel="missed, %")


def by_wait(axis: Axes, rows: pd.DataFrame) -> str:
    """Bars: missed by time between booking and appointment."""
    rates = missed(rows, "wait").drop(UNKNOWN, errors="ignore")
    short = {"Same Day": "0", "1 Day": "1", "More than 28 Days": "29+"}
    rates.index = [
        short.get(w, w.replace(" Days", "").replace("  ", " ").replace(" to ", "–")) for w in rates.index
    ]
    bars(axis, rates, BLUE, "Who waits, misses", "days between booking and appointment")
    return (
        f"Appointments booked for the same day are missed in {rates.iloc[0]:.1f}% of cases, those booked "
        f"more than 28 days ahead in {rates.iloc[-1]:.1f}%."
    )


def by_mode(axis: Axes, rows: pd.DataFrame) -> str:
    """Bars: how appointments are held."""
    share = rows.groupby("mode", observed=True)["number"].sum()
    share = (100 * share / share.sum()).sort_values()
    names = share.index.astype(str).str.replace("Video Conference/Online", "Video/online")
    axis.bar_label(axis.barh(names, share, color=GREEN), fmt="%.0f", fontsize=8)
    axis.set(title="Most are face to face", xlabel="share of appointments, %")
    face, phone = share.get("Face-to-Face", 0), share.get("Telephone", 0)
    return f"{face:.0f}% are face to face and {phone:.0f}% by telephone."


def by_month(axis: Axes, rows: pd.DataFrame) -> str:
    """A line: the share whose status nobody recorded, and the share missed, by month."""
    month = rows["date"].dt.strftime("%Y-%m")
    total = rows.groupby(month)["number"].sum()
    blank = (
        100
        * rows[rows["status"] == "unknown"].groupby(month)["number"].sum().reindex(total.index).fillna(0)
        / total
    )
    lines = [(missed(rows.assign(month=month), "month"), "missed", RED), (blank, "status unknown", ORANGE)]
    for values, name, colour in lines:
        axis.plot(range(len(values)), values, color=colour, marker=".")
        end = (len(values) - 1, values.iloc[-1])
        axis.annotate(name, end, (0, -18), textcoords="offset points", ha="right", fontsize=8, color=colour)
    step = max(1, len(total) // 3)
    axis.set_xticks(range(0, len(total), step), total.index[::step])
    axis.set(title="Month by month", xlabel="month", ylabel="share, %", ylim=0)
    least, most = blank.min(), blank.max()
    return f"What came of the appointment is not known in {least:.1f} to {most:.1f}% of cases, by month."


def by_weekday(axis: Axes, rows: pd.DataFrame) -> str:
    """Bars: missed by day of the week."""
    day = rows["date"].dt.day_of_week
    rates = missed(rows.assign(day=day)[day < 5], "day")
    rates.index = pd.Index(["Mon", "Tue", "Wed", "Thu", "Fri"])[rates.index]
    bars(axis, rates, ORANGE, "Days of the week hardly differ", "day of the appointment")
    return f"By day of the week the share missed goes from {rates.min():.1f} to {rates.max():.1f}%."


def by_age(axis: Axes, people: pd.DataFrame) -> str:
    """Bars: missed by age band."""
    rates = 100 * people.groupby("age_band", observed=True)["missed"].mean()
    bars(axis, rates, BLUE, "Young adults miss most", "age, years")
    return f"Aged {rates.idxmax()} they miss {rates.max():.1f}%, aged {rates.idxmin()} {rates.min():.1f}%."


def by_decile(axis: Axes, people: pd.DataFrame) -> str:
    """Bars: missed by deprivation decile."""
    rates = 100 * people.groupby("imd_decile")["missed"].mean()
    bars(axis, rates, RED, "More are missed where people are poorer", "deprivation decile (1: most deprived)")
    return f"In the most deprived decile {rates.iloc[0]:.1f}% are missed, in the least {rates.iloc[-1]:.1f}%."


def by_staff(axis: Axes, rows: pd.DataFrame) -> str:
    """Bars: missed by kind of staff."""
    rates = missed(rows, "staff")
    bars(axis, rates, BLUE, "By kind of staff", "who the appointment was with")
    return f"By kind of staff the share missed goes from {rates.min():.1f} to {rates.max():.1f}%."
