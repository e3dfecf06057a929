# why: a set forgets repeats by itself


def candidate_pairs(police, court, keys, first_day, last_day):
    found = set()
    for key in keys:
        both = police.dropna(subset=key).merge(court.dropna(subset=key), on=key, suffixes=("_p", "_c"))
        days = (both["first_hearing_date"] - both["charge_date"]).dt.days
        both = both[days.between(first_day, last_day)]
        found |= set(zip(both["police_case_id"], both["court_case_id"], strict=True))
    return pd.DataFrame(sorted(found), columns=["police_case_id", "court_case_id"])
