# why: differences of logarithms in place of the logarithm of a ratio


def agreement_weights(agree, same):
    yes, this = agree.to_numpy(dtype=float), same.to_numpy(dtype=bool)
    m, u = ((yes[k].sum(axis=0) + 1) / (k.sum() + 2) for k in (this, ~this))
    columns = {"agree": np.log2(m) - np.log2(u), "differ": np.log2(1 - m) - np.log2(1 - u)}
    return pd.DataFrame(columns, index=agree.columns)
