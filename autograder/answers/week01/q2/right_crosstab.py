# why: a cross table of band and outcome, then one column by the sum of two


def missed_by_lead_time(appointments):
    table = pd.crosstab(appointments["time_between_book_and_appt"].astype(str), appointments["appt_status"])
    table = table.reindex(index=LEAD_TIMES, columns=["Attended", "DNA"], fill_value=0)
    return table["DNA"] / (table["Attended"] + table["DNA"])
