# why: the bands as text come out of groupby in the order of the alphabet
# loses: q2_visible = 3
# loses: q2_hidden = 5


def missed_by_lead_time(appointments):
    counted = appointments[appointments["appt_status"].isin(["Attended", "DNA"])]
    return (counted["appt_status"] == "DNA").groupby(counted["time_between_book_and_appt"].astype(str)).mean()
