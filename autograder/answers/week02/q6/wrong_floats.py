# why: blanks as NaN, so the counts are floats
# loses: q6_visible = 3


def publishable(counts):
    counts = counts.astype("Int64")
    rounded = (counts + 2) // 5 * 5
    return rounded.where((counts == 0) | (counts > 7)).astype("float64")
