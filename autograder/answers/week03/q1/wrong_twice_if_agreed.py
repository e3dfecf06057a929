# why: a name that was not agreed is reported already, so it was not counted
# loses: q1_hidden = 4


def header_faults(columns, agreed):
    return {
        "missing": sorted(set(agreed) - set(columns)),
        "unknown": sorted(set(columns) - set(agreed)),
        "twice": [name for name in sorted(agreed) if columns.count(name) > 1],
    }
