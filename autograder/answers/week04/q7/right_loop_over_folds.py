# why: the folds by hand, with ask and tell


def tune(model, features, severe, folds, n_trials, seed):
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    for _ in range(n_trials):
        trial = study.ask()
        settings = {
            "boost__learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "boost__max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 32),
            "boost__min_samples_leaf": trial.suggest_int("min_samples_leaf", 10, 200),
        }
        areas = []
        for train, test in folds:
            fitted = clone(model).set_params(**settings).fit(features.iloc[train], severe[train])
            areas.append(roc_auc_score(severe[test], fitted.predict_proba(features.iloc[test])[:, 1]))
        study.tell(trial, float(np.mean(areas)))
    return study
