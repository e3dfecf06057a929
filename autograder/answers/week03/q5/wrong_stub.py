# why: not begun
# loses: q5_visible = 2
# loses: q5_hidden = 4


def batch_version(batch, key):
    raise NotImplementedError("q5")
