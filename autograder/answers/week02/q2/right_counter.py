# why: plain Python


from collections import Counter


def share_alone(people, known):
    keys = [tuple("?" if pd.isna(v) else v for v in row) for row in people[known].itertuples(index=False)]
    counts = Counter(keys)
    return sum(counts[key] == 1 for key in keys) / len(keys) if keys else 0.0
