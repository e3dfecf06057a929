# why: suggested, and never handed to the model
# loses: q7_hidden = 8


def tune(model, features, severe, folds, n_trials, seed):
    def value(trial):
        trial.suggest_float("learning_rate", 0.02, 0.3, log=True)
        trial.suggest_int("max_leaf_nodes", 4, 32)
        trial.suggest_int("min_samples_leaf", 10, 200)
        return cross_val_score(model, features, severe, cv=folds, scoring="roc_auc").mean()

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(value, n_trials=n_trials)
    return study
