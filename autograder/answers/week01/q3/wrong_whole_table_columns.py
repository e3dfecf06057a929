# why: the right rows with everything that became of them
# loses: q3_visible = 3
# loses: q3_hidden = 5


def diary(appointments, list_day, visit_day):
    rows = appointments[appointments["appointment_date"] == pd.Timestamp(visit_day)]
    return rows[rows["booking_date"] < pd.Timestamp(list_day)]
