# why: the file is sorted by day, so it is cut at the first row of that day; it is not always sorted
# loses: q5_hidden = 5


def split_by_day(appointments, first_test_day):
    known = appointments[appointments["appt_status"].isin(["Attended", "DNA"])].reset_index(drop=True)
    later = known.index[known["appointment_date"] >= pd.Timestamp(first_test_day)]
    cut = later[0] if len(later) else len(known)
    return known.iloc[:cut], known.iloc[cut:]
