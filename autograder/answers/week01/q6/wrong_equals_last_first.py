# why: argsort and then turned round: equal scores come out from the last row to the first
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    score = np.where(np.isnan(scores), -np.inf, scores)
    order = appointments.iloc[np.argsort(score, kind="stable")[::-1]]
    missed = order["appt_status"] == "DNA"
    called = order.groupby("appointment_date").cumcount() < calls
    by_day = pd.DataFrame({"called": called, "missed": missed, "found": missed & called})
    return by_day.groupby(order["appointment_date"]).sum()
