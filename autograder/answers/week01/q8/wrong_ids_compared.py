# why: the same appointment_ids on both sides, so nothing is gone; but a correction has the id of its original
# loses: q8_broken = 4


def broken_promises(raw, tidy):
    problems = []
    if not tidy["appt_status"].isin(["Attended", "DNA", "Cancelled", "Unknown"]).all():
        problems.append("A status is none of the four.")
    if tidy.duplicated().any():
        problems.append("A row is there twice.")
    if set(raw["appointment_id"]) != set(tidy["appointment_id"]):
        problems.append("Appointments are gone, or new.")
    return problems
