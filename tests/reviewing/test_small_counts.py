"""What an audit may conclude of a group in which nobody, or hardly anybody, was found."""

import numpy as np
import pytest

from civicml.review.auditing import Ratio


def found(count, of, *, elsewhere=0.13):
    """The ratio of a group's recall to everybody else's, with draws as alike as small counts make them."""
    logs = np.full(400, np.log((count + 0.5) / (of + 0.5) / elsewhere))
    return Ratio(count / of / elsewhere, logs, 1 / np.sqrt(count + 0.5), count)


@pytest.mark.parametrize(("count", "of"), [(0, 182), (0, 120), (2, 250)])
def test_none_of_many_is_surely_less_even_among_a_hundred_groups(count, of):
    assert found(count, of).surely_below(0.8, 108)


@pytest.mark.parametrize(("count", "of"), [(0, 25), (0, 70), (1, 60), (10, 100)])
def test_none_of_a_few_proves_nothing(count, of):
    assert not found(count, of).surely_below(0.8, 108)
