# why: reset_index at the end, as in every other notebook
# loses: q2_visible = 4
# loses: q2_kept = 4


def known_at_the_call(collision, vehicle, casualty):
    later = ["people_hurt", "officer_came", "injury_score", "grade", "file_days", "site_rate"]
    return colleagues_table(collision, vehicle, casualty).drop(columns=later).reset_index(drop=True)
