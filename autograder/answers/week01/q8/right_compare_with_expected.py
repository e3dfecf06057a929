# why: builds the table that should have come out, and compares the two both ways with drop_duplicates


def broken_promises(raw, tidy):
    problems = []
    if list(raw.columns) != list(tidy.columns):
        problems.append("Columns are missing, new or in another order.")
        return problems
    if not tidy["appt_status"].isin(["Attended", "DNA", "Cancelled", "Unknown"]).all():
        problems.append("A status is none of the four.")
    if tidy.duplicated().sum() > 0:
        problems.append("A row is there twice.")
    status = raw["appt_status"].fillna("unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    expected = raw.assign(appt_status=status).drop_duplicates()
    both = pd.concat([expected, expected, tidy]).astype(str)
    if not both[~both.duplicated(keep=False)].empty:
        problems.append("There is a row that never came, or one that was changed.")
    both = pd.concat([expected, tidy, tidy]).astype(str)
    if not both[~both.duplicated(keep=False)].empty:
        problems.append("A row that came is gone or changed.")
    return problems
