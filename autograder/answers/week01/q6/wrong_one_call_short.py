# why: ranks from 1 and asks for fewer than calls, so that one call is never made
# loses: q6_visible = 4
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    table = appointments.reset_index(drop=True).assign(score=scores)
    rank = table.groupby("appointment_date")["score"].rank(
        ascending=False, method="first", na_option="bottom"
    )
    table["called"] = (rank < calls).astype(int)
    table["missed"] = (table["appt_status"] == "DNA").astype(int)
    table["found"] = table["called"] * table["missed"]
    return table.groupby("appointment_date")[["called", "missed", "found"]].sum()
