# why: the birthday forgotten
# loses: q3_visible = 4
# loses: q3_hidden = 8


def claims(newspaper, extract, places):
    rows = extract.merge(places[["postcode_sector", "town"]], on="postcode_sector", how="left")
    born, came = rows["birth_date"].dt, rows["admission_date"].dt
    rows["age"] = came.year - born.year
    fits = newspaper.merge(
        rows, left_on=["age", "town", "event_date"], right_on=["age", "town", "admission_date"]
    )
    fits = fits.drop_duplicates("notice_id", keep=False)
    return fits[["notice_id", "extract_row"]].sort_values("notice_id", ignore_index=True)
