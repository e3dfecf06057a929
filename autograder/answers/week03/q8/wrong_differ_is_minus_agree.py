# why: thought that a disagreement takes away what an agreement gives
# loses: q8_visible = 4
# loses: q8_hidden = 6


def agreement_weights(agree, same):
    m, u = ((agree[which].sum() + 1) / (which.sum() + 2) for which in (same, ~same))
    return pd.DataFrame({"agree": np.log2(m / u), "differ": -np.log2(m / u)})
