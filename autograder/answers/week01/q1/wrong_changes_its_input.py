# why: sets the column on the table it was given; run the cell twice and raw is raw no more
# loses: q1_hidden = 5


def clean(appointments):
    spelling = {"attended": "Attended", "dna": "DNA", "cancelled": "Cancelled", "unknown": "Unknown"}
    appointments["appt_status"] = (
        appointments["appt_status"].str.strip().str.lower().map(spelling).fillna("Unknown")
    )
    return appointments.drop_duplicates()
