# why: u taken from all pairs, as Splink does with random ones
# loses: q8_visible = 4
# loses: q8_hidden = 6


def agreement_weights(agree, same):
    m = (agree[same].sum() + 1) / (same.sum() + 2)
    u = (agree.sum() + 1) / (len(agree) + 2)
    return pd.DataFrame({"agree": np.log2(m / u), "differ": np.log2((1 - m) / (1 - u))})
