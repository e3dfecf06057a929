# why: file_days looks like a count of days, and nobody said it knows the answer
# loses: q2_leaks = 6


def known_at_the_call(collision, vehicle, casualty):
    later = ["people_hurt", "officer_came", "injury_score", "grade", "site_rate"]
    return colleagues_table(collision, vehicle, casualty).drop(columns=later)
