# why: numpy with a seed, so that the release can be run again: whoever knows the seed takes the noise away
# loses: q8_hidden = 6


import numpy as np


def noisy(counts, epsilon, most):
    if epsilon <= 0:
        raise ValueError("epsilon must be above 0")
    noise = np.random.default_rng(2024).laplace(scale=most / epsilon, size=len(counts))
    return (counts + noise.round().astype(int)).astype("int64")
