# why: one line for each column, whatever the rule
# loses: q3_hidden = 6


def causes(errors):
    numbered = errors.assign(number=errors["case_id"].astype("int64"))
    table = numbered.groupby("column").agg(
        rule=("rule", "first"), cases=("number", "nunique"), example=("number", "min")
    )
    table["example"] = table["example"].astype("str")
    return table.reset_index().sort_values(["cases", "column"], ascending=[False, True], ignore_index=True)
