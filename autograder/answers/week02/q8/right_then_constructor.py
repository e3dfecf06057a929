# why: the same, with OpenDP's way of chaining


def noisy(counts, epsilon, most):
    if not epsilon > 0:
        raise ValueError(f"no budget: {epsilon}")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int)
    release = space >> dp.m.then_laplace(scale=most / epsilon)
    return pd.Series(release(counts.astype(int).tolist()), index=counts.index)
