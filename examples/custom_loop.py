"""The training loop in the open, of the public parts that Aligner puts together.

    python examples/custom_loop.py

It reads from top to bottom: a problem, a model, an objective, epochs of seed pairs,
pseudo-seeds, the choice of the epoch on validation pairs, and the matches. Change any
of it here; what fits through an argument of ``Aligner`` (a loss, a decoder, an encoder,
a model) needs no loop of your own.
"""

import copy

import torch

from pyg_ibmea.align import CSLS, Sinkhorn, align_greedy
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, HybridContrastiveLoss
from pyg_ibmea.problem import links_of, unaligned_entities
from pyg_ibmea.train import (
    Objective,
    PseudoSeeds,
    encode_entities,
    evaluate,
    propose_pairs,
    seed_batches,
)

EPOCHS = 12
PROPOSE_FROM = 6  # Before that the model is sure of too little.


def main():
    """Trains, chooses, tests, aligns."""
    torch.manual_seed(0)
    # Two noisy graphs as one HeteroData; the split is part of it.
    data = SyntheticMMKG(num_entities=300)[0]
    pair = ("source", "target")
    seeds = links_of(data, "train")  # Node ids, [2, L].

    # One latent per modality, fused into one vector per entity. What messages pass
    # over is built once.
    model = IBMEA.from_data(data, graph_channels=64, modal_channels=32)
    graph = model.graph_of(data)
    # InfoNCE on the fused vectors and on each modality, and beta times each KL.
    beta = dict.fromkeys(model.modalities, 1e-4)
    objective = Objective(HybridContrastiveLoss("info_nce", temperature=0.1), beta)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01)

    pseudo_seeds = PseudoSeeds(window=2)
    best_mrr, best_weights = -1.0, {}
    for epoch in range(1, EPOCHS + 1):
        if epoch >= PROPOSE_FROM:
            # Mutual best matches with a probability of .9 or more; those proposed
            # twice in a row are learned from like seed pairs.
            proposal = propose_pairs(model, data, 0.9, Sinkhorn(0.02), graph)
            adopted = pseudo_seeds.update(proposal)
            # As seed pairs do, they share one embedding from now on.
            model.share(dict(zip(pair, adopted, strict=True)))
        known = torch.cat([seeds, pseudo_seeds.pairs], dim=1)

        model.train()
        # A batch withholds the embeddings of its own pairs: they must be found by what
        # is around them, which the other pairs tell.
        for batch in seed_batches(known.size(1), batch_size=1000, withhold=0.3):
            entities = dict(zip(pair, known[:, batch], strict=True))
            output = model(data, entities, graph, withhold=True)
            loss, _ = objective(output, pair, epoch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        # The validation pairs choose the epoch, among all entities not yet aligned.
        options = {"candidates": "unaligned", "graph": graph}
        found = evaluate(model, data, "val", [CSLS(k=3)], **options)["csls"]["mean"]
        print(
            f"epoch {epoch:2}: loss {float(loss.detach()):.3f}, validation Hits@1 "
            f"{found['hits@1']:.3f}, {pseudo_seeds.pairs.size(1)} pseudo-seeds"
        )
        if found["mrr"] > best_mrr:
            best_mrr = found["mrr"]
            best_weights = copy.deepcopy(model.state_dict())

    model.load_state_dict(best_weights)
    test = evaluate(model, data, "test", [CSLS(k=3)], graph=graph)["csls"]["mean"]
    print(f"test Hits@1 {test['hits@1']:.3f}, MRR {test['mrr']:.3f}")

    # A match for every entity outside the seed pairs.
    rest = dict(zip(pair, unaligned_entities(data, ["train", "val"]), strict=True))
    z = encode_entities(model, data, rest, graph)
    uris = {kg: [data.uri[kg][i] for i in rest[kg].tolist()] for kg in pair}
    matches = align_greedy(z["source"], z["target"], CSLS(k=3), uris=uris)
    print(matches)
    return test


if __name__ == "__main__":
    main()
