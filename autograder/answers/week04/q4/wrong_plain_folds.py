# why: KFold, as always
# loses: q4_hidden = 6


def road_folds(collision, n_folds):
    return list(KFold(n_folds).split(collision))
