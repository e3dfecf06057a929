# why: ran out of time after the first line
# loses: q7_visible = 4
# loses: q7_hidden = 8


def tune(model, features, severe, folds, n_trials, seed):
    study = optuna.create_study(direction="maximize")
