# why: divided u by m
# loses: q8_visible = 4
# loses: q8_hidden = 6


def agreement_weights(agree, same):
    m, u = ((agree[which].sum() + 1) / (which.sum() + 2) for which in (same, ~same))
    return pd.DataFrame({"agree": np.log2(u / m), "differ": np.log2((1 - u) / (1 - m))})
