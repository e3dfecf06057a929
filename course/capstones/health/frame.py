"""The cases of the health brief: bookings for tomorrow's list, with what was known when it was made.

Shared by learners (published tables) and the review (sealed tables). It must not know any model.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

# England and Wales, GOV.UK; the sealed tables reach to the end of September 2026.
_BANK_HOLIDAYS = np.array(
    [
        *("2024-12-25", "2024-12-26", "2025-01-01", "2025-04-18", "2025-04-21", "2025-05-05"),
        *("2025-05-26", "2025-08-25", "2025-12-25", "2025-12-26", "2026-01-01", "2026-04-03"),
        *("2026-04-06", "2026-05-04", "2026-05-25", "2026-08-31"),
    ],
    dtype="datetime64[D]",
)
_FIFTHS = {1: "1, most deprived", 2: "2", 3: "3", 4: "4", 5: "5, least deprived"}


def frame(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each appointment booked before noon of the last working day before it, kept or missed.

    Args:
        tables: `appointments` and `patients` of `gp_appointments`, published or sealed.

    Returns:
        The columns that `brief.toml` names, in order of `moment` (noon of the working day before) and number.
        A patient's history counts what happened on days before the list is made, and no other.
    """
    known = _known(tables["appointments"])
    cases = _with_history(_in_time(known), known)
    people = tables["patients"][["patient_id", "age_band", "sex", "imd_decile"]]
    cases = cases.merge(people, on="patient_id", how="left", validate="many_to_one")
    since = (cases["list_day"] - cases["last_seen"]).dt.days
    return pd.DataFrame(
        {
            "appointment_id": cases["appointment_id"],
            "patient_id": cases["patient_id"],
            "moment": cases["list_day"] + pd.Timedelta(hours=12),
            "day": cases["appointment_date"],
            "practice": cases["practice_id"].astype(str),
            "mode": cases["appt_mode"].astype(str),
            "staff": cases["hcp_type"].astype(str),
            "weekday": cases["appointment_date"].dt.day_name().astype(str),
            "hour": cases["start_time"].astype(str).str[:2].astype(int),
            "wait_days": (cases["appointment_date"] - cases["booking_date"]).dt.days.astype(int),
            "seen_before": cases["seen_before"].astype(int),
            "missed_before": cases["missed_before"].astype(int),
            "days_since_last": since.fillna(_NEVER).astype(int),
            "age_band": cases["age_band"].astype(str),
            "reminder_sent": cases["reminder_sent"].astype(bool),
            "duration_minutes": cases["duration_minutes"].astype(float),
            "sex": cases["sex"].astype(str),
            "deprivation_fifth": cases["imd_decile"]
            .add(1)
            .floordiv(2)
            .map(_FIFTHS)
            .fillna("Not known")
            .astype(str),
            "missed": cases["missed"].astype(bool),
        }
    )


_NEVER = 999
"""Days since the last appointment of somebody who had none."""


def rule(cases: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The rule a receptionist can follow: most missed before, then the longest wait. Higher is rung first."""
    return (cases["missed_before"] + cases["wait_days"].clip(0, 998) / 1000).to_numpy(dtype=float)


def _known(appointments: pd.DataFrame) -> pd.DataFrame:
    """Appointments that were kept or missed, once each, with a column `missed`."""
    status = appointments["appt_status"].astype(str).str.strip().str.upper()
    tidy = appointments.assign(appt_status=status, missed=status == "DNA")
    return tidy[status.isin(["ATTENDED", "DNA"])].drop_duplicates("appointment_id")


def _in_time(known: pd.DataFrame) -> pd.DataFrame:
    """Those booked before the day on which their list is made, with that day."""
    days = known["appointment_date"].to_numpy("datetime64[D]")
    made = np.busday_offset(days, -1, roll="forward", holidays=_BANK_HOLIDAYS)
    listed = known.assign(list_day=made.astype(known["appointment_date"].dtype))
    return listed[listed["booking_date"] < listed["list_day"]].sort_values(["list_day", "appointment_id"])


def _with_history(listed: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Add `seen_before`, `missed_before` and `last_seen`: what was on days before the list day."""
    daily = known.groupby(["patient_id", "appointment_date"])["missed"]
    past = daily.agg(seen_before="size", missed_before="sum").groupby("patient_id").cumsum().reset_index()
    joined = pd.merge_asof(
        listed,
        past.rename(columns={"appointment_date": "last_seen"}).sort_values("last_seen"),
        left_on="list_day",
        right_on="last_seen",
        by="patient_id",
        allow_exact_matches=False,
    )
    return joined.fillna({"seen_before": 0, "missed_before": 0})
