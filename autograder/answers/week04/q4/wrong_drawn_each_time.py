# why: GroupShuffleSplit keeps roads whole, and judges some rows twice and others never
# loses: q4_visible = 4
# loses: q4_hidden = 6


def road_folds(collision, n_folds):
    from sklearn.model_selection import GroupShuffleSplit

    groups = collision.groupby(["local_authority_district", "first_road_class", "first_road_number"]).ngroup()
    split = GroupShuffleSplit(n_folds, test_size=1 / n_folds, random_state=0)
    return list(split.split(collision, groups=groups))
