# why: the remainder 0 gives 11, which is no digit
# loses: q1_hidden = 5


import re


def is_nhs_number(text):
    if not isinstance(text, str):
        return False
    digits = re.sub("[ -]", "", text)
    if not re.fullmatch("[0-9]{10}", digits):
        return False
    left = 11 - sum(int(d) * (10 - i) for i, d in enumerate(digits[:9])) % 11
    return left == int(digits[9])
