# why: get_dummies before the model, so that the model cannot read a page
# loses: q7_visible = 4
# loses: q7_pages = 4
# loses: q7_ranking = 6


def fit_model(train):
    columns = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id", "missed_before"]
    return LogisticRegression(max_iter=1000).fit(
        pd.get_dummies(train[columns]), train["appt_status"] == "DNA"
    )
