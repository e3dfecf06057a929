# why: not begun: the line that was there
# loses: q2_visible = 4
# loses: q2_leaks = 6
# loses: q2_kept = 4


def known_at_the_call(collision, vehicle, casualty):
    raise NotImplementedError("later")
