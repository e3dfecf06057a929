# why: one area, age band and sex at a time; the smallest quarter joins the blanks until they suffice


def protect(extract, places):
    rows = extract.merge(places[["postcode_sector", "area"]], on="postcode_sector", how="left")
    born, came = rows["birth_date"].dt, rows["admission_date"].dt
    age = came.year - born.year - ((came.month * 100 + came.day) < (born.month * 100 + born.day))
    rows["area"] = rows["area"].astype(str)
    rows["age_band"] = (age // 10 * 10).clip(upper=80)
    rows["quarter"] = came.to_period("Q").astype(str)
    rows["who"] = rows.groupby(PERSON, observed=True).ngroup()

    def safe(part):
        return part["who"].nunique() >= 5 and part["diagnosis_group"].nunique() >= 2

    kept = []
    for _, group in rows.groupby(["area", "age_band", "sex"], observed=True):
        quarters = sorted((part for _, part in group.groupby("quarter")), key=len, reverse=True)
        shown = [part for part in quarters if safe(part)]
        blank = pd.concat([group.head(0), *(part for part in quarters if not safe(part))])
        while len(blank) and not safe(blank) and shown:
            blank = pd.concat([blank, shown.pop()])
        kept += shown
        if safe(blank):
            kept.append(blank.assign(quarter=None))
    rows = pd.concat(kept).sort_values("extract_row")
    columns = ["extract_row", "area", "age_band", "sex", "imd_decile", "admission_method", "diagnosis_group"]
    return rows[[*columns, "quarter"]]
