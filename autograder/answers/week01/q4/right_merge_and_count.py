# why: groupby, merge and a sort from the last key to the first, each stable


def memory_first(page, appointments, list_day, calls):
    known = appointments[appointments["appointment_date"] < pd.to_datetime(list_day)]
    missed = known.assign(missed=known["appt_status"].eq("DNA")).groupby("patient_id")["missed"].sum()
    rows = page.merge(missed.reset_index(), on="patient_id", how="left").fillna({"missed": 0})
    rows["wait"] = (rows["appointment_date"] - rows["booking_date"]).dt.days
    rows = rows.sort_values("appointment_id")
    rows = rows.sort_values("wait", ascending=False, kind="stable")
    rows = rows.sort_values("missed", ascending=False, kind="stable")
    return rows["appointment_id"].tolist()[:calls]
