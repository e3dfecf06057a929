# why: checks what can be seen in the tidy table alone; what is gone cannot be seen there
# loses: q8_visible = 3
# loses: q8_broken = 4
# loses: q8_right = 3


def broken_promises(raw, tidy):
    problems = []
    if not tidy["appt_status"].isin(["Attended", "DNA", "Cancelled", "Unknown"]).all():
        problems.append("A status is none of the four.")
    if tidy.duplicated().any():
        problems.append("A row is there twice.")
    return problems
