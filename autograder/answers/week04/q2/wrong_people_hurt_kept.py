# why: tells next to nothing, so it can do no harm
# loses: q2_leaks = 6


def known_at_the_call(collision, vehicle, casualty):
    later = ["officer_came", "injury_score", "grade", "file_days", "site_rate"]
    return colleagues_table(collision, vehicle, casualty).drop(columns=later)
