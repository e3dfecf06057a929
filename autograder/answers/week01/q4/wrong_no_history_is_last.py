# why: no fillna: who has no misses is NaN and sorts by nothing, or drops out of an inner merge
# loses: q4_visible = 4
# loses: q4_hidden = 8


def memory_first(page, appointments, list_day, calls):
    earlier = appointments[appointments["appointment_date"] < pd.Timestamp(list_day)]
    missed = (
        earlier[earlier["appt_status"] == "DNA"].groupby("patient_id").size().rename("missed").reset_index()
    )
    rows = page.merge(missed, on="patient_id")
    rows["wait"] = rows["appointment_date"] - rows["booking_date"]
    rows = rows.sort_values(["missed", "wait", "appointment_id"], ascending=[False, False, True])
    return rows["appointment_id"].head(calls).tolist()
