# why: a join feels safer than map; pandas joins blanks with blanks


def what_it_tells(learn, check, column):
    rates = learn.groupby(column, dropna=False)["severe"].mean().rename("rate").reset_index()
    scored = check[[column, "severe"]].merge(rates, on=column, how="left")
    scored["rate"] = scored["rate"].fillna(learn["severe"].mean())
    return float(roc_auc_score(scored["severe"], scored["rate"]))
