# why: groupby(observed=True) drops a band that does not occur
# loses: q2_hidden = 5


def missed_by_lead_time(appointments):
    counted = appointments[appointments["appt_status"].isin(["Attended", "DNA"])]
    missed = (
        (counted["appt_status"] == "DNA").groupby(counted["time_between_book_and_appt"], observed=True).mean()
    )
    return missed.drop("Unknown / Data Quality", errors="ignore").rename(index=str)
