# why: one tree, grown until it knows every training row by heart
# loses: q7_ranking = 6

from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier


def fit_model(train):
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    words = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id"]
    columns = make_column_transformer((codes, words), ("passthrough", ["missed_before", "wait_days"]))
    return make_pipeline(columns, DecisionTreeClassifier(random_state=0)).fit(
        train, train["appt_status"] == "DNA"
    )
