# why: not begun
# loses: q8_visible = 4
# loses: q8_hidden = 6


def noisy(counts, epsilon, most):
    raise NotImplementedError("q8: not written yet.")
