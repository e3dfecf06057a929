# why: sorted and did not number the rows again
# loses: q3_hidden = 6


def causes(errors):
    numbered = errors.assign(number=errors["case_id"].astype("int64"))
    table = numbered.groupby(["column", "rule"])["number"].agg(cases="nunique", example="min").reset_index()
    table["example"] = table["example"].astype("str")
    return table.sort_values(["cases", "column", "rule"], ascending=[False, True, True])
