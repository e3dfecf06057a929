# why: days divided by 365.25: wrong on some birthdays
# loses: q3_hidden = 8


def claims(newspaper, extract, places):
    rows = extract.merge(places[["postcode_sector", "town"]], on="postcode_sector", how="left")
    rows["age"] = (rows["admission_date"] - rows["birth_date"]).dt.days // 365.25
    fits = newspaper.merge(
        rows, left_on=["age", "town", "event_date"], right_on=["age", "town", "admission_date"]
    )
    fits = fits.drop_duplicates("notice_id", keep=False)
    return fits[["notice_id", "extract_row"]].sort_values("notice_id", ignore_index=True)
