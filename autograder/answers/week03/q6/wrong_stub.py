# why: not begun
# loses: q6_visible = 4
# loses: q6_hidden = 6


def candidate_pairs(police, court, keys, first_day, last_day):
    raise NotImplementedError("q6")
