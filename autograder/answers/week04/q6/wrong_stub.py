# why: not begun: the line that was there
# loses: q6_visible = 4
# loses: q6_pages = 4
# loses: q6_ranking = 6


def make_model(numbers, codes):
    raise NotImplementedError("later")
