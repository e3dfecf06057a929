# why: not begun
# loses: q10_visible = 2
# loses: q10_hidden = 4


def log_delivery(month, version, decision, counts):
    raise NotImplementedError("q10")
