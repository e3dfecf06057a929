# why: a MultiIndex knows isin, and the mean of nothing is nan
import warnings


def precision_recall(claimed, truth):
    ids = ["police_case_id", "court_case_id"]
    said, true = (pd.MultiIndex.from_frame(table[ids]).unique() for table in (claimed, truth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(np.mean(said.isin(true))), float(np.mean(true.isin(said)))
