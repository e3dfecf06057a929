# why: not begun
# loses: q9_visible = 4
# loses: q9_hidden = 6


def share_with_blanks(recorded, seen, value):
    raise NotImplementedError("q9")
