# why: predicts slight collisions: the second column is the chance of the other thing
# loses: q6_pages = 4
# loses: q6_ranking = 6


class _Slight(HistGradientBoostingClassifier):
    def fit(self, X, y):
        return super().fit(X, ~np.asarray(y))


def make_model(numbers, codes):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer([("numbers", "passthrough", numbers), ("codes", encoder, codes)])
    return Pipeline(
        [("columns", columns), ("boost", _Slight(max_iter=50, max_leaf_nodes=10, random_state=0))]
    )
