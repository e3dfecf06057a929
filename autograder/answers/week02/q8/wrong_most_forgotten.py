# why: one person, one change
# loses: q8_hidden = 6


def noisy(counts, epsilon, most):
    if epsilon <= 0:
        raise ValueError("epsilon must be above 0")
    one = dp.m.make_laplace(dp.atom_domain(T=int), dp.absolute_distance(T=int), scale=1 / epsilon)
    return counts.map(lambda count: one(int(count))).astype("int64")
