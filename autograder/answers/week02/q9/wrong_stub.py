# why: not begun
# loses: q9_visible = 3
# loses: q9_hidden = 5


def log_release(name, k, stays, kept, claimed_before, claimed_after):
    raise NotImplementedError("q9: not written yet.")
