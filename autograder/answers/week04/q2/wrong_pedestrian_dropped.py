# why: everything from the casualty table went, though the caller says that somebody on foot was hit
# loses: q2_kept = 4


def known_at_the_call(collision, vehicle, casualty):
    later = ["people_hurt", "officer_came", "injury_score", "grade", "file_days", "site_rate", "pedestrian"]
    return colleagues_table(collision, vehicle, casualty).drop(columns=later)
