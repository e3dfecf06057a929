# why: inplace=True saves a name, and sorts the caller's table
# loses: q5_hidden = 4


def batch_version(batch, key):
    batch.sort_values(key, ascending=False, inplace=True)
    return table_hash(batch[sorted(batch.columns)])[:12]
