# why: divided by the number of combinations, not of people
# loses: q2_visible = 3
# loses: q2_hidden = 5


def share_alone(people, known):
    if len(people) == 0:
        return 0.0
    sizes = people.groupby(known, dropna=False, observed=True).size()
    return float((sizes == 1).mean())
