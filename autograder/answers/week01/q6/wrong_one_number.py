# why: adds everything up to one figure, which is what the memo needs
# loses: q6_visible = 4
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    order = appointments.assign(score=scores).sort_values("score", ascending=False, kind="stable")
    rung = order.groupby("appointment_date").head(calls)
    return int((rung["appt_status"] == "DNA").sum())
