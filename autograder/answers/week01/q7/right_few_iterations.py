# why: unscaled numbers and the default number of iterations: it warns, and it is right


def fit_model(train):
    words = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id", "age_band"]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), ("passthrough", ["missed_before", "wait_days"])
    )
    return make_pipeline(columns, LogisticRegression(max_iter=40)).fit(
        train, (train["appt_status"] == "DNA").astype(int)
    )
