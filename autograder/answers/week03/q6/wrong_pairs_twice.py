# why: a pair that agrees on two keys comes twice
# loses: q6_visible = 4
# loses: q6_hidden = 6


def candidate_pairs(police, court, keys, first_day, last_day):
    ids, found = ["police_case_id", "court_case_id"], []
    for key in keys:
        pairs = police.dropna(subset=key)[[ids[0], "charge_date", *key]].merge(
            court.dropna(subset=key)[[ids[1], "first_hearing_date", *key]], on=key
        )
        days = (pairs["first_hearing_date"] - pairs["charge_date"]).dt.days
        found.append(pairs.loc[days.between(first_day, last_day), ids])
    return pd.concat(found).sort_values(ids, ignore_index=True)
