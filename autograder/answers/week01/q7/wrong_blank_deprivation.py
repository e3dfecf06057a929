# why: imd_decile goes straight into the regression, and its blanks stop it
# loses: q7_visible = 4
# loses: q7_pages = 4
# loses: q7_ranking = 6


def fit_model(train):
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["time_between_book_and_appt", "practice_id", "age_band"]),
        (StandardScaler(), ["imd_decile", "missed_before"]),
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(train, train["appt_status"] == "DNA")
