# why: an empty list passes whatever is asked first
# loses: q8_visible = 3
# loses: q8_broken = 4
# loses: q8_right = 3


def broken_promises(raw, tidy):
    return []
