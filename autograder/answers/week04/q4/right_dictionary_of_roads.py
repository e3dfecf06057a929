# why: deals the roads out by hand, the largest first, each to the emptiest fold


def road_folds(collision, n_folds):
    columns = ["local_authority_district", "first_road_class", "first_road_number"]
    keys = list(collision[columns].itertuples(index=False, name=None))
    sizes = pd.Series(keys).value_counts()
    load_of, fold_of = [0] * n_folds, {}
    for key, size in sizes.items():
        fold = load_of.index(min(load_of))
        fold_of[key] = fold
        load_of[fold] += size
    fold = np.array([fold_of[key] for key in keys])
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(n_folds)]
