# why: the strongest picture of lesson 1 is lead time, so that is the model
# loses: q7_ranking = 6


def fit_model(train):
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["time_between_book_and_appt"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(train, train["appt_status"] == "DNA")
