# why: gradient boosting on ordinal codes, with age, sex and deprivation

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import OrdinalEncoder


def fit_model(train):
    words = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id", "age_band", "sex"]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer(
        (codes, words), ("passthrough", ["missed_before", "wait_days", "imd_decile"])
    )
    trees = HistGradientBoostingClassifier(learning_rate=0.05, max_iter=60, max_leaf_nodes=8, random_state=0)
    return make_pipeline(columns, trees).fit(train, train["appt_status"] == "DNA")
