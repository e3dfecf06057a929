# why: not begun
# loses: q5_visible = 8
# loses: q5_hidden = 8


def protect(extract, places):
    raise NotImplementedError("q5: not written yet.")
