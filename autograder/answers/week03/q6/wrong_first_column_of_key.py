# why: joined on the first column of each key and thought that enough
# loses: q6_hidden = 6


def candidate_pairs(police, court, keys, first_day, last_day):
    ids, found = ["police_case_id", "court_case_id"], []
    for key in keys:
        key = key[:1]
        pairs = police.dropna(subset=key)[[ids[0], "charge_date", *key]].merge(
            court.dropna(subset=key)[[ids[1], "first_hearing_date", *key]], on=key
        )
        days = (pairs["first_hearing_date"] - pairs["charge_date"]).dt.days
        found.append(pairs.loc[days.between(first_day, last_day), ids])
    return pd.concat(found).drop_duplicates().sort_values(ids, ignore_index=True)
