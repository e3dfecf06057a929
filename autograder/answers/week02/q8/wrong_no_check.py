# why: a budget of nothing makes another error
# loses: q8_hidden = 6


def noisy(counts, epsilon, most):
    one = dp.m.make_laplace(dp.atom_domain(T=int), dp.absolute_distance(T=int), scale=float(most) / epsilon)
    return counts.map(lambda count: one(int(count))).astype("int64")
