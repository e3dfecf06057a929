# why: one condition after another, with the share worked out


def verdict(rows, faulty, forces_missing, at_most):
    if rows == 0:
        return "send back"
    if forces_missing > 0:
        return "send back"
    if faulty / rows > at_most:
        return "send back"
    if faulty > 0:
        return "set aside"
    return "accept"
