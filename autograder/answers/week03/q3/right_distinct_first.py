# why: drops the repeats, sorts by number, then takes the first of each group


def causes(errors):
    once = errors.drop_duplicates(["case_id", "column", "rule"])
    once = once.iloc[once["case_id"].astype(int).argsort()]
    groups = once.groupby(["column", "rule"], sort=True)["case_id"]
    table = pd.DataFrame({"cases": groups.size(), "example": groups.first()}).reset_index()
    return table.sort_values("cases", ascending=False, kind="stable", ignore_index=True)
