# why: one mask for the outcome and one for the day, put together with &


def split_by_day(appointments, first_test_day):
    day = pd.to_datetime(first_test_day)
    outcome = (appointments["appt_status"] == "Attended") | (appointments["appt_status"] == "DNA")
    early = appointments["appointment_date"].lt(day)
    train = appointments.loc[outcome & early].copy()
    test = appointments.loc[outcome & ~early].copy()
    return train, test
