# why: an officer is sent at once, surely
# loses: q2_leaks = 6


def known_at_the_call(collision, vehicle, casualty):
    later = ["people_hurt", "injury_score", "grade", "file_days", "site_rate"]
    return colleagues_table(collision, vehicle, casualty).drop(columns=later)
