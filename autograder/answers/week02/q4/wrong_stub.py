# why: not begun
# loses: q4_visible = 4
# loses: q4_hidden = 6


def k_and_l(rows, person, quasi, sensitive):
    raise NotImplementedError("q4: not written yet.")
