# why: the course's function on one row a person and class, then people counted again


from civicml.datasets import PeopleRule, enforce


def protect(extract, places):
    rows = extract.merge(places[["postcode_sector", "area"]], on="postcode_sector", how="left")
    born, came = rows["birth_date"].dt, rows["admission_date"].dt
    age = came.year - born.year - ((came.month * 100 + came.day) < (born.month * 100 + born.day))
    rows["area"] = rows["area"].astype(str)
    rows["age_band"] = (age // 10 * 10).clip(upper=80)
    rows["quarter"] = came.to_period("Q").astype(str)
    quasi = ["area", "age_band", "sex", "quarter"]
    rule = PeopleRule(
        table="extract",
        quasi_identifiers=quasi,
        sensitive=["diagnosis_group"],
        k=5,
        l=2,
        suppress=["quarter"],
    )
    key = [*PERSON, "area", "age_band", "quarter"]
    once = rows.drop_duplicates(key)
    safe = enforce(once, rule)
    shown = once.loc[safe.kept, key].assign(shown=safe.frame["quarter"].to_numpy())
    rows = rows.merge(shown, on=key).drop(columns="quarter").rename(columns={"shown": "quarter"})
    classes = rows.groupby(quasi, dropna=False, observed=True)
    who = rows.groupby(PERSON, observed=True).ngroup()
    enough = who.groupby(classes.ngroup()).transform("nunique") >= 5
    several = classes["diagnosis_group"].transform("nunique") >= 2
    columns = ["extract_row", "area", "age_band", "sex", "imd_decile", "admission_method", "diagnosis_group"]
    return rows.loc[enough & several, [*columns, "quarter"]]
