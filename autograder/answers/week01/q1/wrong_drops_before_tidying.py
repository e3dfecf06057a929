# why: duplicates are dropped first, so two spellings of one row both stay
# loses: q1_hidden = 5


def clean(appointments):
    tidy = appointments.drop_duplicates()
    status = tidy["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    return tidy.assign(appt_status=status)
