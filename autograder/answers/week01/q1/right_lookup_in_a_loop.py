# why: a plain loop over the rows and a dictionary, no pandas string methods


def clean(appointments):
    spellings = {"attended": "Attended", "dna": "DNA", "cancelled": "Cancelled"}
    statuses = []
    for status in appointments["appt_status"]:
        word = status.strip().lower() if isinstance(status, str) else ""
        statuses.append(spellings.get(word, "Unknown"))
    tidy = appointments.copy()
    tidy["appt_status"] = statuses
    return tidy.drop_duplicates(ignore_index=True)
