# why: the share of all rows: who called it off counts as having come
# loses: q2_visible = 3
# loses: q2_hidden = 5


def missed_by_lead_time(appointments):
    missed = appointments["appt_status"] == "DNA"
    return missed.groupby(appointments["time_between_book_and_appt"].astype(str)).mean().reindex(LEAD_TIMES)
