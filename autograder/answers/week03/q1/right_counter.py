# why: counts the names once and reads all three from the counts
from collections import Counter


def header_faults(columns, agreed):
    counts, wanted = Counter(columns), Counter(agreed)
    return {
        "missing": sorted(wanted.keys() - counts.keys()),
        "unknown": sorted(counts.keys() - wanted.keys()),
        "twice": sorted(name for name, count in counts.items() if count > 1),
    }
