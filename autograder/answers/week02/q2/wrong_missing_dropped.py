# why: groupby leaves missing values out unless told otherwise
# loses: q2_hidden = 5


def share_alone(people, known):
    if len(people) == 0:
        return 0.0
    sizes = people.groupby(known, observed=True).size()
    return float((sizes == 1).sum() / len(people))
