# why: day by day with numpy's stable argsort; NaN made into the smallest number there is


def missed_found(appointments, scores, calls):
    score = np.where(np.isnan(scores), -np.inf, scores)
    rows = []
    day_of_row = appointments["appointment_date"].to_numpy()
    missed = (appointments["appt_status"] == "DNA").to_numpy()
    for day in np.unique(day_of_row):
        here = np.flatnonzero(day_of_row == day)
        rung = here[np.argsort(-score[here], kind="stable")][:calls]
        rows.append(
            {
                "appointment_date": day,
                "called": len(rung),
                "missed": missed[here].sum(),
                "found": missed[rung].sum(),
            }
        )
    return pd.DataFrame(rows).set_index("appointment_date")
