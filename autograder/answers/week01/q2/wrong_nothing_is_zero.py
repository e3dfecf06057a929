# why: NaN looks untidy, so fillna(0): nobody came, and so nobody missed
# loses: q2_hidden = 5


def missed_by_lead_time(appointments):
    counted = appointments[appointments["appt_status"].isin(["Attended", "DNA"])]
    missed = (
        (counted["appt_status"] == "DNA").groupby(counted["time_between_book_and_appt"].astype(str)).mean()
    )
    return missed.reindex(LEAD_TIMES).fillna(0)
