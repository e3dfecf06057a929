# why: has missed before, yes or no, in place of how often
# loses: q4_visible = 4
# loses: q4_hidden = 8


def memory_first(page, appointments, list_day, calls):
    earlier = appointments[appointments["appointment_date"] < pd.Timestamp(list_day)]
    missed = set(earlier.loc[earlier["appt_status"] == "DNA", "patient_id"])
    order = page.assign(
        missed=page["patient_id"].isin(missed), wait=page["appointment_date"] - page["booking_date"]
    ).sort_values(["missed", "wait", "appointment_id"], ascending=[False, False, True])
    return order["appointment_id"].head(calls).tolist()
