# why: the lists are right, in the order in which the names came
# loses: q1_hidden = 4


def header_faults(columns, agreed):
    twice = []
    for i, name in enumerate(columns):
        if name in columns[:i] and name not in twice:
            twice.append(name)
    return {
        "missing": [name for name in agreed if name not in columns],
        "unknown": [name for name in columns if name not in agreed],
        "twice": twice,
    }
