# why: returns the pipeline and forgets to fit it
# loses: q7_visible = 4
# loses: q7_pages = 4
# loses: q7_ranking = 6


def fit_model(train):
    words = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id"]
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), words))
    return make_pipeline(columns, LogisticRegression(max_iter=1000))
