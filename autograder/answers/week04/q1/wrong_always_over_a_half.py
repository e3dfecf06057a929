# why: an area under a half looked like a mistake, so it is turned round, with the answers of check
# loses: q1_hidden = 6


def what_it_tells(learn, check, column):
    rates = learn.groupby(column, dropna=False)["severe"].mean()
    area = roc_auc_score(check["severe"], check[column].map(rates).fillna(learn["severe"].mean()))
    return float(max(area, 1 - area))
