# why: positions and labels are the same in a fresh table
# loses: q4_visible = 4
# loses: q4_hidden = 6


def road_folds(collision, n_folds):
    groups = collision.groupby(["local_authority_district", "first_road_class", "first_road_number"]).ngroup()
    pairs = GroupKFold(n_folds).split(collision, groups=groups)
    index = collision.index.to_numpy()
    return [(index[train], index[test]) for train, test in pairs]
