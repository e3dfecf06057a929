# why: statuses as a category, which is what the other columns are


def clean(appointments):
    words = appointments["appt_status"].str.lower().str.strip()
    tidy = appointments.drop(columns="appt_status")
    status = np.select(
        [words == "attended", words == "dna", words == "cancelled"],
        ["Attended", "DNA", "Cancelled"],
        "Unknown",
    )
    tidy["appt_status"] = pd.Categorical(status, categories=["Attended", "DNA", "Cancelled", "Unknown"])
    tidy = tidy[list(appointments.columns)]
    return tidy.drop_duplicates().reset_index(drop=True)
