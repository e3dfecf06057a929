# why: compares ids and statuses, and never looks at the other eleven columns
# loses: q8_broken = 4


def broken_promises(raw, tidy):
    if list(raw.columns) != list(tidy.columns):
        return ["The columns changed."]
    problems = ["A row is there twice."] if tidy.duplicated().any() else []
    status = raw["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    if set(zip(raw["appointment_id"], status)) != set(zip(tidy["appointment_id"], tidy["appt_status"])):
        problems.append("Appointments or statuses are not those that came.")
    return problems
