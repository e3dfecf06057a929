# why: called is what the team was to make, not what it made on a short day
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    order = appointments.assign(score=scores).sort_values("score", ascending=False, kind="stable")
    missed = order["appt_status"] == "DNA"
    called = order.groupby("appointment_date").cumcount() < calls
    by_day = (
        pd.DataFrame({"missed": missed, "found": missed & called}).groupby(order["appointment_date"]).sum()
    )
    return by_day.assign(called=calls)
