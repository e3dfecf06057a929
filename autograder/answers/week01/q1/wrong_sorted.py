# why: sorts to bring copies together, and hands the sorted table back
# loses: q1_hidden = 5


def clean(appointments):
    status = appointments["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    return appointments.assign(appt_status=status).sort_values("appointment_id").drop_duplicates()
