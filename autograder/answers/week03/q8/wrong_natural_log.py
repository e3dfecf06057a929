# why: log and log2 look alike
# loses: q8_visible = 4
# loses: q8_hidden = 6


def agreement_weights(agree, same):
    m, u = ((agree[which].sum() + 1) / (which.sum() + 2) for which in (same, ~same))
    return pd.DataFrame({"agree": np.log(m / u), "differ": np.log((1 - m) / (1 - u))})
