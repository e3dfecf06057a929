# why: drops what was booked too late, and so keeps what has no booking date
# loses: q3_hidden = 5


def diary(appointments, list_day, visit_day):
    rows = appointments[appointments["appointment_date"] == pd.Timestamp(visit_day)]
    rows = rows[~(rows["booking_date"] >= pd.Timestamp(list_day))]
    return rows.drop(columns=["appt_status", "duration_minutes", "reminder_sent"])
