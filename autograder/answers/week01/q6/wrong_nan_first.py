# why: the minus sign turns the order round, and argsort of the reversed table puts NaN in front
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    order = appointments.assign(score=scores).sort_values(
        "score", ascending=False, kind="stable", na_position="first"
    )
    missed = order["appt_status"] == "DNA"
    called = order.groupby("appointment_date").cumcount() < calls
    by_day = pd.DataFrame({"called": called, "missed": missed, "found": missed & called})
    return by_day.groupby(order["appointment_date"]).sum()
