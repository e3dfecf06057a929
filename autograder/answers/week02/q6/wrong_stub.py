# why: not begun
# loses: q6_visible = 3
# loses: q6_hidden = 5


def publishable(counts):
    raise NotImplementedError("q6: not written yet.")
