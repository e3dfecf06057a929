# why: min() of text puts "21" before "9"
# loses: q3_visible = 4
# loses: q3_hidden = 6


def causes(errors):
    table = errors.groupby(["column", "rule"])["case_id"].agg(cases="nunique", example="min").reset_index()
    return table.sort_values(["cases", "column", "rule"], ascending=[False, True, True], ignore_index=True)
