# why: not begun
# loses: q2_visible = 3
# loses: q2_hidden = 5


def share_alone(people, known):
    raise NotImplementedError("q2: not written yet.")
