# why: misses are rare, so class_weight="balanced"; the ranking holds, the probabilities are six times too high
# loses: q7_visible = 4


def fit_model(train):
    words = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id"]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), (StandardScaler(), ["missed_before", "wait_days"])
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1000, class_weight="balanced"))
    return model.fit(train, train["appt_status"] == "DNA")
