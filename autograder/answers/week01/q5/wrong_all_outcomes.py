# why: splits and forgets that cancelled and unknown are no outcome
# loses: q5_visible = 3
# loses: q5_hidden = 5


def split_by_day(appointments, first_test_day):
    before = appointments["appointment_date"] < pd.Timestamp(first_test_day)
    return appointments[before], appointments[~before]
