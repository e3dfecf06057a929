# why: 0 by 0
# loses: q2_hidden = 5


def share_alone(people, known):
    return (~people.duplicated(known, keep=False)).sum().item() / len(people)
