# why: all ten digits weighted 10 to 1 add up to a multiple of 11


def is_nhs_number(text):
    if not isinstance(text, str):
        return False
    digits = [c for c in text if c not in " -"]
    if len(digits) != 10 or any(c not in "0123456789" for c in digits):
        return False
    return sum(w * int(c) for w, c in zip(range(10, 0, -1), digits, strict=True)) % 11 == 0
