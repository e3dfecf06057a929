# why: district and number should do; but all roads without a number are one then
# loses: q4_hidden = 6


def road_folds(collision, n_folds):
    groups = collision.groupby(["local_authority_district", "first_road_number"]).ngroup()
    return list(GroupKFold(n_folds).split(collision, groups=groups))
