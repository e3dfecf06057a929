# why: severe is rare, so the classes were weighted; now the chances are no chances
# loses: q6_pages = 4


def make_model(numbers, codes):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer([("numbers", "passthrough", numbers), ("codes", encoder, codes)])
    boost = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=12, class_weight="balanced", random_state=0
    )
    return Pipeline([("columns", columns), ("boost", boost)])
