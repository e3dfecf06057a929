# why: looked at the rows first, and a few faulty ones ended the question
# loses: q4_hidden = 4


def verdict(rows, faulty, forces_missing, at_most):
    if 0 < faulty <= at_most * rows:
        return "set aside"
    if forces_missing or not rows or faulty:
        return "send back"
    return "accept"
