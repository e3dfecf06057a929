# why: returns test and train in the wrong order
# loses: q5_visible = 3
# loses: q5_hidden = 5


def split_by_day(appointments, first_test_day):
    known = appointments[appointments["appt_status"].isin(["Attended", "DNA"])]
    before = known["appointment_date"] < pd.Timestamp(first_test_day)
    return known[~before], known[before]
