# why: took at_most for a percentage
# loses: q4_visible = 2
# loses: q4_hidden = 4


def verdict(rows, faulty, forces_missing, at_most):
    if forces_missing or not rows or 100 * faulty / rows > at_most:
        return "send back"
    return "set aside" if faulty else "accept"
