# why: not begun
# loses: q3_visible = 4
# loses: q3_hidden = 8


def claims(newspaper, extract, places):
    raise NotImplementedError("q3: not written yet.")
