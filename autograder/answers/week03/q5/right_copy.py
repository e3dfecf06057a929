# why: step by step on a copy


def batch_version(batch, key):
    tidy = batch.copy()
    tidy = tidy.sort_values(by=key).reset_index(drop=True)
    tidy = tidy.reindex(columns=sorted(tidy.columns))
    return table_hash(tidy)[0:12]
