# why: drop_duplicates keeps one of each, alone or not
# loses: q2_visible = 3
# loses: q2_hidden = 5


def share_alone(people, known):
    if len(people) == 0:
        return 0.0
    return len(people.drop_duplicates(known)) / len(people)
