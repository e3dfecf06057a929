# why: protects the extract loaded above, whatever is handed in
# loses: q5_hidden = 8


def protect(extract, places):
    rows = hospital.extract.merge(places[["postcode_sector", "area"]], on="postcode_sector", how="left")
    born, came = rows["birth_date"].dt, rows["admission_date"].dt
    age = came.year - born.year - ((came.month * 100 + came.day) < (born.month * 100 + born.day))
    rows["area"] = rows["area"].astype(str)
    rows["age_band"] = (age // 10 * 10).clip(upper=80)
    rows["quarter"] = came.to_period("Q").astype(str)
    rows["who"] = rows.groupby(PERSON, observed=True).ngroup()
    where = ["area", "age_band", "sex"]

    def weak():
        classes = rows.groupby([*where, "quarter"], dropna=False, observed=True)
        people, reasons = classes["who"].transform("nunique"), classes["diagnosis_group"].transform("nunique")
        return (people < 5) | (reasons < 2)

    rows["quarter"] = rows["quarter"].mask(weak())
    thin = weak().groupby([rows[name] for name in where], observed=True).transform("any")
    rows["quarter"] = rows["quarter"].mask(thin)
    columns = ["extract_row", "area", "age_band", "sex", "imd_decile", "admission_method", "diagnosis_group"]
    return rows.loc[~weak(), [*columns, "quarter"]]
