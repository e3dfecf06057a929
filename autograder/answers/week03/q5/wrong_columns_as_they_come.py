# why: sorted the rows and forgot the columns
# loses: q5_hidden = 4


def batch_version(batch, key):
    return table_hash(batch.sort_values(key, ignore_index=True))[:12]
