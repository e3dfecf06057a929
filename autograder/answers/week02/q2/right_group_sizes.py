# why: the size of each group, looked up for each row


def share_alone(people, known):
    if len(people) == 0:
        return 0.0
    sizes = people.groupby(known, dropna=False, observed=True).size()
    return float((sizes == 1).sum() / len(people))
