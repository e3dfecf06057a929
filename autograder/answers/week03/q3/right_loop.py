# why: a loop over the groups


def causes(errors):
    rows = []
    for (column, rule), group in errors.groupby(["column", "rule"]):
        numbers = {int(case) for case in group["case_id"]}
        rows.append([column, rule, len(numbers), str(min(numbers))])
    rows.sort(key=lambda row: (-row[2], row[0], row[1]))
    return pd.DataFrame(rows, columns=["column", "rule", "cases", "example"])
