# why: merges each key whole and filters at the end


def candidate_pairs(police, court, keys, first_day, last_day):
    pairs = pd.DataFrame({"police_case_id": [], "court_case_id": []}, dtype="int64")
    for key in keys:
        both = pd.merge(
            police.dropna(subset=key), court.dropna(subset=key), on=key, suffixes=("", "_of_court")
        )
        days = (both["first_hearing_date"] - both["charge_date"]) / pd.Timedelta(days=1)
        both = both[(days >= first_day) & (days <= last_day)]
        pairs = pd.concat([pairs, both[["police_case_id", "court_case_id"]]])
    pairs = pairs.drop_duplicates()
    return pairs.sort_values(["police_case_id", "court_case_id"]).reset_index(drop=True)
