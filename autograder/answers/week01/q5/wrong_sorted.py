# why: sorts by day to be safe, and hands the rows back in another order
# loses: q5_hidden = 5


def split_by_day(appointments, first_test_day):
    known = appointments[appointments["appt_status"].isin(["Attended", "DNA"])].sort_values(
        "appointment_date"
    )
    before = known["appointment_date"] < pd.Timestamp(first_test_day)
    return known[before], known[~before]
