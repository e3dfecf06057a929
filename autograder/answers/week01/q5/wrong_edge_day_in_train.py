# why: up to and including the first test day
# loses: q5_hidden = 5


def split_by_day(appointments, first_test_day):
    known = appointments[appointments["appt_status"].isin(["Attended", "DNA"])]
    day = pd.Timestamp(first_test_day)
    return known[known["appointment_date"] <= day], known[known["appointment_date"] > day]
