# why: nobody rings about a cancelled appointment; but on Friday it is not cancelled yet
# loses: q3_hidden = 5


def diary(appointments, list_day, visit_day):
    rows = appointments[appointments["appt_status"].isin(["Attended", "DNA"])]
    rows = rows[rows["appointment_date"] == pd.Timestamp(visit_day)]
    rows = rows[rows["booking_date"] < pd.Timestamp(list_day)]
    return rows.drop(columns=["appt_status", "duration_minutes", "reminder_sent"])
