# why: drops what tells more than 0.55 alone and keeps the rest: a leak can be small and a fact large
# loses: q2_visible = 4
# loses: q2_leaks = 6
# loses: q2_kept = 4


def known_at_the_call(collision, vehicle, casualty):
    table = colleagues_table(collision, vehicle, casualty)
    strong = [
        "speed_limit",
        "rural",
        "motorcycle",
        "officer_came",
        "injury_score",
        "grade",
        "file_days",
        "site_rate",
    ]
    return table.drop(columns=strong)
