# why: l before k
# loses: q4_visible = 4
# loses: q4_hidden = 6


def k_and_l(rows, person, quasi, sensitive):
    groups = rows.groupby(quasi, dropna=False, observed=True)
    k = min(len(group.drop_duplicates(person)) for _, group in groups)
    l = min(group[sensitive].nunique() for _, group in groups)
    return l, k
