# why: compares values with ==; a blank is not equal to a blank, so every right table with blanks is called wrong
# loses: q8_broken = 4
# loses: q8_right = 3


def broken_promises(raw, tidy):
    problems = []
    if list(raw.columns) != list(tidy.columns):
        return ["The columns changed."]
    if not tidy["appt_status"].isin(["Attended", "DNA", "Cancelled", "Unknown"]).all():
        problems.append("A status is none of the four.")
    if tidy.duplicated().any():
        problems.append("A row is there twice.")
    status = raw["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    expected = raw.assign(appt_status=status).drop_duplicates().reset_index(drop=True)
    left = tidy.reset_index(drop=True)
    if len(left) != len(expected):
        problems.append("There are too many rows, or too few.")
        return problems
    for column in left.columns:
        same = left[column].astype(object) == expected[column].astype(object)
        if not same.fillna(False).all():
            problems.append(f"Values in {column} changed.")
    return problems
