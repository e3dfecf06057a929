# why: sorts by the band of the waiting time, in which 29 and 61 days are equal
# loses: q4_hidden = 8


def memory_first(page, appointments, list_day, calls):
    earlier = appointments[appointments["appointment_date"] < pd.Timestamp(list_day)]
    missed = earlier[earlier["appt_status"] == "DNA"]["patient_id"].value_counts()
    order = page.assign(missed_before=page["patient_id"].map(missed).fillna(0))
    order = order.sort_values(
        ["missed_before", "time_between_book_and_appt", "appointment_id"], ascending=[False, False, True]
    )
    return order["appointment_id"].head(calls).tolist()
