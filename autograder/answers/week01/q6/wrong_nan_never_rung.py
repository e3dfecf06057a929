# why: nlargest leaves out NaN, so with calls to spare some are never rung
# loses: q6_hidden = 6


def missed_found(appointments, scores, calls):
    table = appointments.assign(score=scores, missed=(appointments["appt_status"] == "DNA").astype(int))
    table = table.reset_index(drop=True)
    rung = table.dropna(subset="score").sort_values("score", ascending=False, kind="stable")
    rung = rung.groupby("appointment_date").head(calls)
    days = table.groupby("appointment_date")
    return (
        pd.DataFrame(
            {
                "called": rung.groupby("appointment_date").size(),
                "missed": days["missed"].sum(),
                "found": rung.groupby("appointment_date")["missed"].sum(),
            }
        )
        .fillna(0)
        .astype(int)
    )
