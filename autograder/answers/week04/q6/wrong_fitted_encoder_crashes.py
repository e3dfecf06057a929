# why: an encoder as it comes stops at the first new code
# loses: q6_pages = 4


def make_model(numbers, codes):
    from sklearn.preprocessing import OneHotEncoder

    columns = ColumnTransformer(
        [("numbers", "passthrough", numbers), ("codes", OneHotEncoder(sparse_output=False), codes)]
    )
    return Pipeline(
        [("columns", columns), ("boost", HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=10))]
    )
