# why: one field after another, with plain numbers


def agreement_weights(agree, same):
    rows = {}
    for field in agree.columns:
        m = (agree.loc[same, field].sum() + 1) / (same.sum() + 2)
        u = (agree.loc[~same, field].sum() + 1) / ((~same).sum() + 2)
        rows[field] = [math.log2(m / u), math.log2((1 - m) / (1 - u))]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["agree", "differ"])
