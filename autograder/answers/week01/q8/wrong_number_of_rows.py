# why: counts rows in place of comparing them: a changed value keeps the number
# loses: q8_broken = 4


def broken_promises(raw, tidy):
    problems = []
    if list(raw.columns) != list(tidy.columns):
        problems.append("The columns changed.")
    if not tidy["appt_status"].isin(["Attended", "DNA", "Cancelled", "Unknown"]).all():
        problems.append("A status is none of the four.")
    if tidy.duplicated().any():
        problems.append("A row is there twice.")
    status = raw["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    if len(tidy) != len(raw.assign(appt_status=status).drop_duplicates()):
        problems.append("There are too many rows, or too few.")
    return problems
