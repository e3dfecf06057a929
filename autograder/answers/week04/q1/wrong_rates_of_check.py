# why: the rates come from the table that is judged, so every column looks good
# loses: q1_visible = 4
# loses: q1_hidden = 6


def what_it_tells(learn, check, column):
    rates = check.groupby(column, dropna=False)["severe"].mean()
    return float(roc_auc_score(check["severe"], check[column].map(rates)))
