# why: a regression first: one-hot codes, blanks filled with the median


def make_model(numbers, codes):
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    filled = Pipeline([("blank", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    columns = ColumnTransformer(
        [("numbers", filled, numbers), ("codes", OneHotEncoder(handle_unknown="ignore"), codes)]
    )
    return Pipeline([("columns", columns), ("regression", LogisticRegression(max_iter=500))])
