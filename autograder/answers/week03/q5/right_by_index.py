# why: puts the key into the index, sorts both ways and takes it out again


def batch_version(batch, key):
    tidy = batch.set_index(key).sort_index().sort_index(axis=1).reset_index()
    return table_hash(tidy)[:12]
