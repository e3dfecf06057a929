# why: shuffled, so that every fold is like every other
# loses: q4_hidden = 6


def road_folds(collision, n_folds):
    return list(KFold(n_folds, shuffle=True, random_state=0).split(collision))
