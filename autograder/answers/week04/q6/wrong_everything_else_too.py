# why: remainder="passthrough" lets every other column in, the answer too
# loses: q6_visible = 4
# loses: q6_pages = 4


def make_model(numbers, codes):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("codes", encoder, codes)], remainder="passthrough")
    boost = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=10, random_state=0)
    return Pipeline([("columns", columns), ("boost", boost)])
