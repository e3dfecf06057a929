# why: a missing diagnosis counted as a reason
# loses: q4_hidden = 6


def k_and_l(rows, person, quasi, sensitive):
    groups = rows.groupby(quasi, dropna=False, observed=True)
    k = min(len(group.drop_duplicates(person)) for _, group in groups)
    l = min(group[sensitive].nunique(dropna=False) for _, group in groups)
    return k, l
