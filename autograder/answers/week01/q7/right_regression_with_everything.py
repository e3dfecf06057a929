# why: Pipeline and ColumnTransformer written out; deprivation filled in; text as the target

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline


def fit_model(train):
    words = ["time_between_book_and_appt", "appt_mode", "hcp_type", "practice_id", "age_band", "sex"]
    numbers = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    encode = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore", min_frequency=20), words),
            ("numbers", numbers, ["missed_before", "wait_days", "imd_decile"]),
        ]
    )
    model = Pipeline([("encode", encode), ("regression", LogisticRegression(max_iter=500, C=0.5))])
    model.fit(train, train["appt_status"])
    return model
