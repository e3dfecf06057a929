# why: the share of a patient's appointments that were missed, so one of one comes before two of three
# loses: q4_visible = 4
# loses: q4_hidden = 8


def memory_first(page, appointments, list_day, calls):
    earlier = appointments[appointments["appointment_date"] < pd.Timestamp(list_day)]
    share = (earlier["appt_status"] == "DNA").groupby(earlier["patient_id"]).mean()
    order = page.assign(
        share=page["patient_id"].map(share).fillna(0), wait=page["appointment_date"] - page["booking_date"]
    ).sort_values(["share", "wait", "appointment_id"], ascending=[False, False, True])
    return order["appointment_id"].head(calls).tolist()
