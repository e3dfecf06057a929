# why: looked at rows only; a force that sent nothing has none
# loses: q4_visible = 2
# loses: q4_hidden = 4


def verdict(rows, faulty, forces_missing, at_most):
    if not rows or faulty > at_most * rows:
        return "send back"
    return "set aside" if faulty else "accept"
