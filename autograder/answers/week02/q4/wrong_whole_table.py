# why: the reasons of the whole table
# loses: q4_visible = 4
# loses: q4_hidden = 6


def k_and_l(rows, person, quasi, sensitive):
    groups = rows.groupby(quasi, dropna=False, observed=True)
    k = min(len(group.drop_duplicates(person)) for _, group in groups)
    l = rows[sensitive].nunique()
    return k, l
