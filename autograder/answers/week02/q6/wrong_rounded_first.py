# why: the rounded count is blanked: 8 becomes 10, 7 becomes 5, and 3 becomes 5
# loses: q6_visible = 3
# loses: q6_hidden = 5


def publishable(counts):
    counts = counts.astype("Int64")
    rounded = (counts + 2) // 5 * 5
    return rounded.mask((rounded >= 1) & (rounded <= 5))
