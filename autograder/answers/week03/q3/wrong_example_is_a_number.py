# why: turned the numbers into integers to find the smallest, and left them so
# loses: q3_visible = 4
# loses: q3_hidden = 6


def causes(errors):
    numbered = errors.assign(case_id=errors["case_id"].astype("int64"))
    table = numbered.groupby(["column", "rule"])["case_id"].agg(cases="nunique", example="min").reset_index()
    return table.sort_values(["cases", "column", "rule"], ascending=[False, True, True], ignore_index=True)
