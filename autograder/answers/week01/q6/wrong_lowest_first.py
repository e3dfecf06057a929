# why: sort_values sorts upwards, so the safest are rung
# loses: q6_visible = 4
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    order = appointments.assign(score=scores).sort_values("score", kind="stable")
    missed = order["appt_status"] == "DNA"
    called = order.groupby("appointment_date").cumcount() < calls
    by_day = pd.DataFrame({"called": called, "missed": missed, "found": missed & called})
    return by_day.groupby(order["appointment_date"]).sum()
