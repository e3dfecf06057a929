# why: the list for Monday is made three days before, so three days are built in
# loses: q3_hidden = 5


def diary(appointments, list_day, visit_day):
    rows = appointments[appointments["appointment_date"] == pd.Timestamp(visit_day)]
    rows = rows[rows["booking_date"] < pd.Timestamp(visit_day) - pd.Timedelta(days=3)]
    return rows.drop(columns=["appt_status", "duration_minutes", "reminder_sent"])
