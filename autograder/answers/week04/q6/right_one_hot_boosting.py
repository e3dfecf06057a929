# why: one column for each code, and boosting with the settings it came with, only slower


def make_model(numbers, codes):
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=20)
    columns = make_column_transformer(("passthrough", numbers), (one_hot, codes))
    boost = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=100, max_leaf_nodes=10, random_state=1
    )
    return make_pipeline(columns, boost)
