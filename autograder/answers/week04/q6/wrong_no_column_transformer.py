# why: boosting reads numbers, so why transform
# loses: q6_visible = 4
# loses: q6_pages = 4


def make_model(numbers, codes):
    return HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=10, random_state=0)
