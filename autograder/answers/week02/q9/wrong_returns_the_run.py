# why: returns the run itself and not its id
# loses: q9_visible = 3
# loses: q9_hidden = 5


def log_release(name, k, stays, kept, claimed_before, claimed_after):
    with tracking.start("week02", run_name=name) as run:
        mlflow.log_params({"release": name, "k": k})
        mlflow.log_metrics({"claimed_before": claimed_before, "claimed_after": claimed_after})
        if stays:
            mlflow.log_metric("kept_share", kept / stays)
        mlflow.set_tag("decision", "hold" if claimed_after else "release")
    return run
