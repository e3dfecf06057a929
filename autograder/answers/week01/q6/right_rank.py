# why: rank within the day: method="first" for equals, na_option="bottom" for NaN


def missed_found(appointments, scores, calls):
    table = appointments.reset_index(drop=True).assign(score=scores)
    rank = table.groupby("appointment_date")["score"].rank(
        ascending=False, method="first", na_option="bottom"
    )
    table["called"] = (rank <= calls).astype(int)
    table["missed"] = (table["appt_status"] == "DNA").astype(int)
    table["found"] = table["called"] * table["missed"]
    return table.groupby("appointment_date")[["called", "missed", "found"]].sum()
