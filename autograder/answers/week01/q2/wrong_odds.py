# why: missed for each one who came is not missed out of both
# loses: q2_visible = 3
# loses: q2_hidden = 5


def missed_by_lead_time(appointments):
    table = pd.crosstab(appointments["time_between_book_and_appt"].astype(str), appointments["appt_status"])
    table = table.reindex(index=LEAD_TIMES, columns=["Attended", "DNA"], fill_value=0)
    return table["DNA"] / table["Attended"]
