# why: k from the size of the classes
# loses: q4_visible = 4
# loses: q4_hidden = 6


def k_and_l(rows, person, quasi, sensitive):
    groups = rows.groupby(quasi, dropna=False, observed=True)
    k = min(len(group) for _, group in groups)
    l = min(group[sensitive].nunique() for _, group in groups)
    return k, l
