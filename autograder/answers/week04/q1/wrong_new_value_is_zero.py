# why: never seen, so never severe
# loses: q1_hidden = 6


def what_it_tells(learn, check, column):
    rates = learn.groupby(column, dropna=False)["severe"].mean()
    return float(roc_auc_score(check["severe"], check[column].map(rates).fillna(0)))
