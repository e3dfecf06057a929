# why: figures gathered first


def log_release(name, k, stays, kept, claimed_before, claimed_after):
    metrics = {"claimed_before": claimed_before, "claimed_after": claimed_after}
    if stays:
        metrics["kept_share"] = kept / stays
    run = tracking.start("week02", run_name=name)
    with run:
        mlflow.log_params({"release": name, "k": str(k)})
        mlflow.log_metrics(metrics)
        mlflow.set_tag("decision", ["release", "hold"][claimed_after > 0])
    return run.info.run_id
