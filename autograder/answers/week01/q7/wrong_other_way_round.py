# why: the target is Attended, so the second column is the chance of coming
# loses: q7_visible = 4
# loses: q7_ranking = 6


def fit_model(train):
    words = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id"]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), (StandardScaler(), ["missed_before", "wait_days"])
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(
        train, train["appt_status"] == "Attended"
    )
