# why: handed his table back, all of it
# loses: q2_visible = 4
# loses: q2_leaks = 6


def known_at_the_call(collision, vehicle, casualty):
    return colleagues_table(collision, vehicle, casualty)
