# why: keeps the columns that seemed useful
# loses: q3_hidden = 5


def diary(appointments, list_day, visit_day):
    rows = appointments[appointments["appointment_date"] == pd.Timestamp(visit_day)]
    rows = rows[rows["booking_date"] < pd.Timestamp(list_day)]
    return rows[
        ["appointment_id", "patient_id", "practice_id", "booking_date", "appointment_date", "start_time"]
    ]
