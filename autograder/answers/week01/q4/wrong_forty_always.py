# why: forty calls, so head(40), whatever is asked for
# loses: q4_visible = 4
# loses: q4_hidden = 8


def memory_first(page, appointments, list_day, calls):
    earlier = appointments[appointments["appointment_date"] < pd.Timestamp(list_day)]
    missed = earlier[earlier["appt_status"] == "DNA"]["patient_id"].value_counts()
    order = page.assign(
        missed_before=page["patient_id"].map(missed).fillna(0),
        wait=page["appointment_date"] - page["booking_date"],
    ).sort_values(["missed_before", "wait", "appointment_id"], ascending=[False, False, True])
    return order["appointment_id"].head(40).tolist()
