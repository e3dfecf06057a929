# why: str.title() makes every word neat, and DNA into Dna
# loses: q1_visible = 3
# loses: q1_hidden = 5


def clean(appointments):
    status = appointments["appt_status"].fillna("Unknown").str.strip().str.title()
    return appointments.assign(appt_status=status).drop_duplicates()
