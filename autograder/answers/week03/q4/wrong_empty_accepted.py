# why: an empty batch has no faults
# loses: q4_hidden = 4


def verdict(rows, faulty, forces_missing, at_most):
    if forces_missing or faulty > at_most * rows:
        return "send back"
    return "set aside" if faulty else "accept"
