# why: the pair was read the wrong way round in the last line
# loses: q7_hidden = 8


def tune(model, features, severe, folds, n_trials, seed):
    def value(trial):
        candidate = clone(model).set_params(
            boost__learning_rate=trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            boost__max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 4, 32),
            boost__min_samples_leaf=trial.suggest_int("min_samples_leaf", 10, 200),
        )
        areas = []
        for train, _ in folds:
            candidate.fit(features.iloc[train], severe[train])
            areas.append(roc_auc_score(severe[train], candidate.predict_proba(features.iloc[train])[:, 1]))
        return np.mean(areas)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(value, n_trials=n_trials)
    return study
