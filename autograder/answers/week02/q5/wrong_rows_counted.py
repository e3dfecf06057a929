# why: k of rows: five stays of one person look like five people
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
    rule = PeopleRule(
        table="extract",
        quasi_identifiers=quasi,
        sensitive=["diagnosis_group"],
        k=5,
        l=2,
        suppress=["quarter"],
    )
    columns = ["extract_row", "area", "age_band", "sex", "imd_decile", "admission_method", "diagnosis_group"]
    return enforce(rows, rule).frame[[*columns, "quarter"]]
