# why: compares dates as text, year first, which sorts as dates do


def diary(appointments, list_day, visit_day):
    visit = appointments["appointment_date"].dt.strftime("%Y-%m-%d") == visit_day
    booked = appointments["booking_date"].dt.strftime("%Y-%m-%d").fillna("9999") < list_day
    page = appointments.loc[visit & booked].copy()
    for column in ["reminder_sent", "appt_status", "duration_minutes"]:
        del page[column]
    return page
