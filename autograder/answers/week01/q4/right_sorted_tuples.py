# why: counts with a Counter and sorts tuples, no pandas after the filter


def memory_first(page, appointments, list_day, calls):
    from collections import Counter

    before = appointments["appointment_date"] < list_day
    missed = Counter(appointments.loc[before & (appointments["appt_status"] == "DNA"), "patient_id"].tolist())
    wait = (page["appointment_date"] - page["booking_date"]).dt.days
    names = sorted(zip(-page["patient_id"].map(lambda p: missed[p]), -wait, page["appointment_id"]))
    return [int(name[2]) for name in names[:calls]]
