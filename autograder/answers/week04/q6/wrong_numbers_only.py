# why: the codes made trouble and were left out
# loses: q6_pages = 4


def make_model(numbers, codes):
    columns = ColumnTransformer([("numbers", "passthrough", numbers)])
    return Pipeline(
        [("columns", columns), ("boost", HistGradientBoostingClassifier(max_iter=50, random_state=0))]
    )
