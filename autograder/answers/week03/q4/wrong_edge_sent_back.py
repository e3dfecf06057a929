# why: "at most" read as "less than"
# loses: q4_hidden = 4


def verdict(rows, faulty, forces_missing, at_most):
    if forces_missing or not rows or faulty and faulty >= at_most * rows:
        return "send back"
    return "set aside" if faulty else "accept"
