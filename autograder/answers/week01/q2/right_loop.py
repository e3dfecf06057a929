# why: one band after the other, counting by hand


def missed_by_lead_time(appointments):
    shares = {}
    for band in LEAD_TIMES:
        status = appointments.loc[appointments["time_between_book_and_appt"] == band, "appt_status"]
        missed, came = (status == "DNA").sum(), (status == "Attended").sum()
        shares[band] = missed / (missed + came) if missed + came else float("nan")
    return pd.Series(shares)
