# why: each class looked at by itself


def k_and_l(rows, person, quasi, sensitive):
    groups = rows.groupby(quasi, dropna=False, observed=True)
    k = min(len(group.drop_duplicates(person)) for _, group in groups)
    l = min(group[sensitive].nunique() for _, group in groups)
    return k, l
