# why: not begun
# loses: q4_visible = 2
# loses: q4_hidden = 4


def verdict(rows, faulty, forces_missing, at_most):
    raise NotImplementedError("q4")
