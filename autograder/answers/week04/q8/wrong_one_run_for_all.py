# why: one run with everything in it; nothing can be compared, and MLflow refuses a second folds
# loses: q8_visible = 4
# loses: q8_hidden = 6


def log_schemes(model_name, scores):
    with tracking.start("week04", run_name=model_name) as run:
        mlflow.log_params({"model": model_name, "scheme": ", ".join(scores), "folds": len(scores)})
        for scheme, areas in scores.items():
            for fold, area in enumerate(areas):
                mlflow.log_metric(f"auc_{scheme.replace(' ', '_')}", area, step=fold)
    return {scheme: run.info.run_id for scheme in scores}
