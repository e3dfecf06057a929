# why: not begun
# loses: q3_visible = 4
# loses: q3_hidden = 6


def causes(errors):
    raise NotImplementedError("q3")
