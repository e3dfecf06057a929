# why: takes out the band Same Day and thinks that the rest was booked in time
# loses: q3_hidden = 5


def diary(appointments, list_day, visit_day):
    rows = appointments[appointments["appointment_date"] == pd.Timestamp(visit_day)]
    rows = rows[rows["booking_date"] < rows["appointment_date"]]
    return rows.drop(columns=["appt_status", "duration_minutes", "reminder_sent"])
