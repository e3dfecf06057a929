# why: OneHotEncoder as it comes, which refuses what it has not met
# loses: q7_pages = 4


def fit_model(train):
    words = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id"]
    columns = make_column_transformer(
        (OneHotEncoder(), words), (StandardScaler(), ["missed_before", "wait_days"])
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(train, train["appt_status"] == "DNA")
