# why: an appointment_id should be unique, so anything else with that id is dropped, corrections too
# loses: q1_hidden = 5


def clean(appointments):
    status = appointments["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    return appointments.assign(appt_status=status).drop_duplicates(subset="appointment_id")
