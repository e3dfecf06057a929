# why: kept the pairs that agree on every key, not on at least one
# loses: q6_visible = 4
# loses: q6_hidden = 6


def candidate_pairs(police, court, keys, first_day, last_day):
    ids, columns = ["police_case_id", "court_case_id"], sorted({name for key in keys for name in key})
    pairs = police.dropna(subset=columns).merge(
        court.dropna(subset=columns), on=columns, suffixes=("_p", "_c")
    )
    days = (pairs["first_hearing_date"] - pairs["charge_date"]).dt.days
    pairs = pairs.loc[days.between(first_day, last_day), ids]
    return pairs.drop_duplicates().sort_values(ids, ignore_index=True)
