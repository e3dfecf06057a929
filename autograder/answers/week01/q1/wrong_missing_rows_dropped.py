# why: dropna() to be on the safe side; rows without a status or a duration are gone
# loses: q1_hidden = 5


def clean(appointments):
    tidy = appointments.dropna(subset=["appt_status"])
    status = tidy["appt_status"].str.strip().str.capitalize().replace("Dna", "DNA")
    return tidy.assign(appt_status=status).drop_duplicates()
