# why: the blanks filled with the commonest quarter
# loses: q5_visible = 8
# loses: q5_hidden = 8


from civicml.datasets import PeopleRule, enforce


def protect(extract, places):
    rows = extract.merge(places[["postcode_sector", "area"]], on="postcode_sector", how="left")
    born, came = rows["birth_date"].dt, rows["admission_date"].dt
    age = came.year - born.year - ((came.month * 100 + came.day) < (born.month * 100 + born.day))
    rows["area"] = rows["area"].astype(str)
    rows["age_band"] = (age // 10 * 10).clip(upper=80)
    rows["quarter"] = came.to_period("Q").astype(str)
    quasi = ["area", "age_band", "sex", "quarter"]
    key = [*PERSON, "area", "age_band", "quarter"]
    once = rows.drop_duplicates(key)
    rule = PeopleRule(
        table="extract", quasi_identifiers=quasi, sensitive=["diagnosis_group"], k=5, l=2, suppress=["quarter"]
    )
    safe = enforce(once, rule)
    kept = once.loc[safe.kept, key].assign(shown=safe.frame["quarter"].to_numpy())
    out = rows.merge(kept, on=key)
    out["quarter"] = out["shown"]
    who = out.groupby(PERSON, observed=True).ngroup()
    classes = out.groupby(quasi, observed=True, dropna=False)
    people = who.groupby(classes.ngroup()).transform("nunique")
    out = out[(people >= 5) & (classes["diagnosis_group"].transform("nunique") >= 2)]
    columns = ["extract_row", "area", "age_band", "sex", "imd_decile", "admission_method", "diagnosis_group"]
    out = out.assign(quarter=out["quarter"].fillna("2024Q2"))
    return out[[*columns, "quarter"]]
