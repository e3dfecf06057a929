# why: turned everything into text first, so that a number passes
# loses: q1_hidden = 5


import re


def is_nhs_number(text):
    text = str(text)
    digits = re.sub("[ -]", "", text)
    if not re.fullmatch("[0-9]{10}", digits):
        return False
    left = 11 - sum(int(d) * (10 - i) for i, d in enumerate(digits[:9])) % 11
    return (0 if left == 11 else left) == int(digits[9])
