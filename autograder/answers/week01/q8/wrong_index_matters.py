# why: asks for an index from 0 on without holes, which nobody promised
# loses: q8_visible = 3
# loses: q8_right = 3
# loses: q8_broken = 4


def broken_promises(raw, tidy):
    problems = []
    if list(tidy.index) != list(range(len(tidy))):
        problems.append("The index has holes.")
    status = raw["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    expected = raw.assign(appt_status=status).drop_duplicates().astype(str)
    rows = set(expected.itertuples(index=False, name=None)) ^ set(
        tidy.astype(str).itertuples(index=False, name=None)
    )
    if rows or tidy.duplicated().any():
        problems.append("The rows are not those that came.")
    return problems
