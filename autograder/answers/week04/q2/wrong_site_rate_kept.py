# why: where it happened is known, so its rate is known; that the row itself is in it was missed
# loses: q2_leaks = 6


def known_at_the_call(collision, vehicle, casualty):
    later = ["people_hurt", "officer_came", "injury_score", "grade", "file_days"]
    return colleagues_table(collision, vehicle, casualty).drop(columns=later)
