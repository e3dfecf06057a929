# why: changes the table in place and forgets to hand it back
# loses: q1_visible = 3
# loses: q1_hidden = 5


def clean(appointments):
    tidy = appointments.copy()
    tidy["appt_status"] = (
        tidy["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    )
    tidy.drop_duplicates(inplace=True)
