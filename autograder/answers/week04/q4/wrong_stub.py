# why: not begun: the line that was there
# loses: q4_visible = 4
# loses: q4_hidden = 6


def road_folds(collision, n_folds):
    raise NotImplementedError("later")
