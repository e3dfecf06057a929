# why: codes are numbers, so they can be scores
# loses: q1_visible = 4
# loses: q1_hidden = 6


def what_it_tells(learn, check, column):
    return float(1 - roc_auc_score(check["severe"], check[column].fillna(0)))
