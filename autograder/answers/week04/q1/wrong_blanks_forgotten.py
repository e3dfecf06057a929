# why: groupby drops blanks unless told not to
# loses: q1_hidden = 6


def what_it_tells(learn, check, column):
    rates = learn.groupby(column)["severe"].mean()
    scores = check[column].map(rates).fillna(learn["severe"].mean())
    return float(roc_auc_score(check["severe"], scores))
