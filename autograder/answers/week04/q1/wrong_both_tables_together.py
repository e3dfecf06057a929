# why: more rows make better rates, so the two tables were put together first
# loses: q1_visible = 4
# loses: q1_hidden = 6


def what_it_tells(learn, check, column):
    rates = pd.concat([learn, check]).groupby(column, dropna=False)["severe"].mean()
    return float(roc_auc_score(check["severe"], check[column].map(rates)))
