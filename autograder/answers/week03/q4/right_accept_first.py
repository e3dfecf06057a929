# why: begins with the good batch


def verdict(rows, faulty, forces_missing, at_most):
    whole = rows > 0 and forces_missing == 0
    if whole and faulty == 0:
        return "accept"
    return "set aside" if whole and faulty <= at_most * rows else "send back"
