# why: the A64 is the A64; but every road without a number has the number 0
# loses: q4_hidden = 6


def road_folds(collision, n_folds):
    return list(GroupKFold(n_folds).split(collision, groups=collision["first_road_number"]))
