# why: forgot that split gives a generator
# loses: q4_visible = 4
# loses: q4_hidden = 6


def road_folds(collision, n_folds):
    groups = collision.groupby(["local_authority_district", "first_road_class", "first_road_number"]).ngroup()
    return GroupKFold(n_folds).split(collision, groups=groups)
