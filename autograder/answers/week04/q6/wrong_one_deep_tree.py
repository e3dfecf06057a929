# why: one tree, grown until every row is alone: it knows its rows by heart
# loses: q6_ranking = 6


def make_model(numbers, codes):
    from sklearn.tree import DecisionTreeClassifier

    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("numbers", "passthrough", numbers), ("codes", encoder, codes)])
    return Pipeline([("columns", columns), ("tree", DecisionTreeClassifier(random_state=0))])
