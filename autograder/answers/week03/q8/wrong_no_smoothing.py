# why: left out the added 1 and 2
# loses: q8_visible = 4
# loses: q8_hidden = 6


def agreement_weights(agree, same):
    m, u = agree[same].mean(), agree[~same].mean()
    return pd.DataFrame({"agree": np.log2(m / u), "differ": np.log2((1 - m) / (1 - u))})
