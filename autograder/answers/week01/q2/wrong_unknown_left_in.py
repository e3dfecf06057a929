# why: remembers to leave the cancelled out, and forgets the unknown
# loses: q2_hidden = 5


def missed_by_lead_time(appointments):
    counted = appointments[appointments["appt_status"] != "Cancelled"]
    missed = counted["appt_status"] == "DNA"
    return missed.groupby(counted["time_between_book_and_appt"].astype(str)).mean().reindex(LEAD_TIMES)
