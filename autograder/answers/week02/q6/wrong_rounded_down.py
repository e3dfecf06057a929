# why: whole fives only
# loses: q6_visible = 3
# loses: q6_hidden = 5


def publishable(counts):
    counts = counts.astype("Int64")
    rounded = counts // 5 * 5
    return rounded.where((counts == 0) | (counts > 7))
