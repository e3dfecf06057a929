# why: capitals first, then the three letters that stay capitals; duplicated() with ~ in place of drop_duplicates


def clean(appointments):
    status = appointments["appt_status"].fillna("unknown").str.strip().str.capitalize()
    tidy = appointments.assign(appt_status=status.replace("Dna", "DNA"))
    return tidy.loc[~tidy.duplicated(keep="first")]
