# why: not begun
# loses: q1_visible = 4
# loses: q1_hidden = 6


def what_it_tells(learn, check, column):
    raise NotImplementedError("later")
