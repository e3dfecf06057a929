# why: what may be shown is kept


def publishable(counts):
    counts = counts.astype("Int64")
    rounded = (counts + 2) // 5 * 5
    return rounded.where((counts == 0) | (counts > 7))
