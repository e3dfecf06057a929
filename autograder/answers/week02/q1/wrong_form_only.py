# why: ten digits look like a number
# loses: q1_visible = 3
# loses: q1_hidden = 5


import re


def is_nhs_number(text):
    return isinstance(text, str) and bool(re.fullmatch("[0-9]{10}", re.sub("[ -]", "", text)))
