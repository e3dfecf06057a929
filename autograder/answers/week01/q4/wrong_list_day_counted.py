# why: up to and including the list day; at noon its afternoon has not happened
# loses: q4_hidden = 8


def memory_first(page, appointments, list_day, calls):
    earlier = appointments[appointments["appointment_date"] <= pd.Timestamp(list_day)]
    missed = earlier[earlier["appt_status"] == "DNA"]["patient_id"].value_counts()
    order = page.assign(
        missed_before=page["patient_id"].map(missed).fillna(0),
        wait=page["appointment_date"] - page["booking_date"],
    ).sort_values(["missed_before", "wait", "appointment_id"], ascending=[False, False, True])
    return order["appointment_id"].head(calls).tolist()
