# why: rings all whose score is at least that of the last one: with equals that is more calls than there are
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    table = appointments.reset_index(drop=True).assign(score=np.nan_to_num(scores, nan=-1e9))
    rank = table.groupby("appointment_date")["score"].rank(ascending=False, method="min")
    table["called"] = (rank <= calls).astype(int)
    table["missed"] = (table["appt_status"] == "DNA").astype(int)
    table["found"] = table["called"] * table["missed"]
    return table.groupby("appointment_date")[["called", "missed", "found"]].sum()
