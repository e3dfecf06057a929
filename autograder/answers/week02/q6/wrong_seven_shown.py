# why: 1 to 6 blank: one less than the rule says
# loses: q6_visible = 3
# loses: q6_hidden = 5


def publishable(counts):
    counts = counts.astype("Int64")
    rounded = (counts + 2) // 5 * 5
    return rounded.where((counts == 0) | (counts > 6))
