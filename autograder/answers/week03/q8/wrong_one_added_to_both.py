# why: added 1 above and below, so that a field that always agrees gets a share of 1
# loses: q8_visible = 4
# loses: q8_hidden = 6


def agreement_weights(agree, same):
    m, u = ((agree[which].sum() + 1) / (which.sum() + 1) for which in (same, ~same))
    return pd.DataFrame({"agree": np.log2(m / u), "differ": np.log2((1 - m) / (1 - u))})
