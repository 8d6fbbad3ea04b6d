"""The contrastive losses alone: no graph, no bottleneck, two noisy views of vectors.

Both views are random linear images of the same latent vectors with noise, next to as
many channels that have nothing to do with them. A linear map for each view is learned
from a quarter of the pairs; canonical correlation analysis, which has a closed form,
shows what can be found.
"""

import torch
from sklearn.cross_decomposition import CCA

from pyg_ibmea.align import ranking_metrics
from pyg_ibmea.nn import HybridContrastiveLoss

NUM_PAIRS, LATENT, OBSERVED = 2000, 32, 64
LOSSES = {
    "InfoNCE": {"objective": "info_nce", "temperature": 0.1},
    "multi-similarity": {"objective": "multi_similarity"},
}


def make_views(noise, seed):
    """Two views ``[NUM_PAIRS, 2 * OBSERVED]``; half of the channels distract."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=random)

    latent = draw(NUM_PAIRS, LATENT)
    return [
        torch.cat(
            [
                latent @ draw(LATENT, OBSERVED) / LATENT**0.5
                + noise * draw(NUM_PAIRS, OBSERVED),
                draw(NUM_PAIRS, OBSERVED),
            ],
            dim=1,
        )
        for _ in range(2)
    ]


def contrastive_alone(row, noise, seed, steps=300):
    """Metrics of the test pairs: ``{decoder: metrics}``, and the step that was kept."""
    views = make_views(noise, seed)
    train, val, test = (
        slice(None, 500), slice(500, 750), slice(750, None),
    )  # fmt: skip
    if row == "canonical correlation":
        cca = CCA(LATENT, max_iter=2000).fit(*(view[train].numpy() for view in views))
        z = cca.transform(*(view[test].numpy() for view in views))
        return _metrics([torch.from_numpy(side).float() for side in z]), 0
    torch.manual_seed(seed)
    maps = [torch.nn.Linear(2 * OBSERVED, LATENT) for _ in views]
    loss = HybridContrastiveLoss(**LOSSES[row])
    weights = [w for layer in maps for w in layer.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1e-2, weight_decay=1e-2)
    best, kept, best_step = -1.0, None, 0
    for step in range(1, steps + 1):
        z = [layer(view[train]) for layer, view in zip(maps, views, strict=True)]
        optimizer.zero_grad()
        loss(*z).backward()
        optimizer.step()
        if step % 10:
            continue
        with torch.no_grad():
            z = [layer(view) for layer, view in zip(maps, views, strict=True)]
        mrr = ranking_metrics(z[0][val], z[1][val])["mean"]["mrr"]
        if mrr > best:
            best, kept, best_step = mrr, [side[test] for side in z], step
    return _metrics(kept), best_step


def _metrics(z):
    decoders = ("cosine", "csls", "sinkhorn")
    return {decoder: ranking_metrics(*z, decoder=decoder) for decoder in decoders}
