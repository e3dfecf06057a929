# why: two query strings with the day in them


def split_by_day(appointments, first_test_day):
    known = appointments.query("appt_status in ['Attended', 'DNA']")
    return known.query("appointment_date < @first_test_day"), known.query(
        "appointment_date >= @first_test_day"
    )
