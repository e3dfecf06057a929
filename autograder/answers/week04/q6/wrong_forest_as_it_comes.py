# why: a forest is never wrong; each of its trees is grown to the last leaf
# loses: q6_ranking = 6


def make_model(numbers, codes):
    from sklearn.ensemble import RandomForestClassifier

    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("numbers", "passthrough", numbers), ("codes", encoder, codes)])
    return Pipeline([("columns", columns), ("forest", RandomForestClassifier(30, random_state=0))])
