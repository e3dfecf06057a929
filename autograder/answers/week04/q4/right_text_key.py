# why: a key of text for GroupKFold


def road_folds(collision, n_folds):
    key = (
        collision["local_authority_district"].astype("str")
        + "/"
        + collision["first_road_class"].astype("str")
        + "/"
        + collision["first_road_number"].astype("str")
    )
    return [(train, test) for train, test in GroupKFold(n_splits=n_folds).split(key, groups=key.to_numpy())]
