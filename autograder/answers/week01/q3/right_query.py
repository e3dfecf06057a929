# why: a query string, and the columns to keep worked out by difference


def diary(appointments, list_day, visit_day):
    known = [c for c in appointments.columns if c not in ("appt_status", "duration_minutes", "reminder_sent")]
    visit, noon = pd.Timestamp(visit_day), pd.Timestamp(list_day)
    rows = appointments.query("appointment_date == @visit and booking_date < @noon")
    return rows[known]
