# why: sorts the whole table and calls once, in place of once a day
# loses: q6_visible = 4
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    order = appointments.assign(score=scores).sort_values("score", ascending=False, kind="stable")
    missed = order["appt_status"] == "DNA"
    called = pd.Series(np.arange(len(order)) < calls, index=order.index)
    by_day = pd.DataFrame({"called": called, "missed": missed, "found": missed & called})
    return by_day.groupby(order["appointment_date"]).sum()
