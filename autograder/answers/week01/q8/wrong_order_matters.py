# why: compares the two tables row by row, so the same rows in another order are called wrong
# loses: q8_right = 3


def broken_promises(raw, tidy):
    status = raw["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    expected = raw.assign(appt_status=status).drop_duplicates().reset_index(drop=True)
    if expected.astype(str).equals(tidy.astype(str).reset_index(drop=True)):
        return []
    return ["The table is not what it should be."]
