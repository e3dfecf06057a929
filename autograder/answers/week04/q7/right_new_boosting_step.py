# why: copies the model and exchanges the settings of its last step, with a named function outside


def _area(candidate, features, severe, train, test):
    candidate.fit(features.iloc[train], severe[train])
    return roc_auc_score(severe[test], candidate.decision_function(features.iloc[test]))


def tune(model, features, severe, folds, n_trials, seed):
    def objective(trial):
        rate = trial.suggest_float("learning_rate", 0.02, 0.3, log=True)
        leaves = trial.suggest_int("max_leaf_nodes", 4, 32)
        smallest = trial.suggest_int("min_samples_leaf", 10, 200)
        total = 0.0
        for train, test in folds:
            candidate = clone(model)
            candidate.named_steps["boost"].set_params(
                learning_rate=rate, max_leaf_nodes=leaves, min_samples_leaf=smallest
            )
            total += _area(candidate, features, severe, train, test)
        return total / len(folds)

    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.optimize(objective, n_trials, n_jobs=1)
    return study
