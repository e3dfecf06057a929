# why: rings everyone above one half, however many that is
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    called = pd.Series(scores > 0.5, index=appointments.index)
    missed = appointments["appt_status"] == "DNA"
    by_day = pd.DataFrame({"called": called, "missed": missed, "found": missed & called})
    return by_day.groupby(appointments["appointment_date"]).sum()
