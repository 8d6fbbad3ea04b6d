"""Encodings and candidates that processes make together.

torchrun --nproc-per-node=2 tests/train/joint_searches.py FILE
"""

import sys
import warnings
from functools import partial

import torch

from pyg_ibmea.align import find_candidates
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.train import (
    _divided_search,
    _rows_exchange,
    encode_entities,
    evaluation,
    processes,
)
from pyg_ibmea.train.encoding import candidates_for

SIZES = {"even": (90, 110), "uneven": (7, 200), "few": (2, 1)}
SEARCHES = ("exact", "hnsw", "ivf")
NEAREST = 6


def sides(size, channels=12):
    """Two sides whose rows are in some clusters, with some that tie."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(9, channels, generator=generator)
    found = []
    for rows in size:
        near = centres[torch.randint(9, (rows,), generator=generator)]
        z = near + 0.5 * torch.randn(rows, channels, generator=generator)
        z[rows // 2] = z[0]
        found.append(z)
    return found


def problem():
    """A model and the problem that it is for."""
    data = SyntheticMMKG(num_entities=60)[0]
    torch.manual_seed(0)
    model = IBMEA.from_data(data, graph_channels=8, modal_channels=4)
    # Chunks of the inner layer are divided among processes, too.
    model.encode = partial(model.encode, chunk=7)
    return model, data


def entities():
    """Some of it, of which a share of one entity is the least."""
    return {"source": torch.arange(5, 60), "target": torch.tensor([3, 50])}


def searched():
    """Candidates of all cases."""
    found = {}
    for name, size in SIZES.items():
        for search in SEARCHES:
            if name == "few" and search == "ivf":
                continue
            z = sides(size)
            if processes.count() == 1:
                one = find_candidates(*z, NEAREST, search)
            else:
                with processes.jointly():
                    one = candidates_for(*z, search, NEAREST)
                assert (one is None) == (processes.rank() > 0)
            if one is not None:
                told = {"pairs": one.pairs, "cosine": one.cosine, "k": one.k}
                found[name, search] = {**told, "backend": one.backend}
    return found


def main(file):
    """What the first process has."""
    _rows_exchange._BYTES = 100  # So that nothing fits into one piece.
    _divided_search._ROWS = 11
    found = {}
    with processes.joined(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, most in (("queries", 2**32), ("shards", 0)):
            _divided_search._INDEX_BYTES = most
            found[kind] = searched()
        model, data = problem()
        graph = model.graph_of(data)
        for kind, large in (("by the first", 10**6), ("by all", 100)):
            evaluation.LARGE = large
            with processes.jointly():
                z = encode_entities(model, data, entities(), graph)
            told = {kg: str(rows.tolist()) for kg, rows in z.items()}
            processes.check_same({f"vectors {kind}": told})
            # Of one entity, all processes but one have none.
            with processes.jointly():
                few = {"source": torch.tensor([8]), "target": torch.empty(0).long()}
                one = encode_entities(model, data, few, graph)
            torch.testing.assert_close(one["source"], z["source"][3:4])
            found[kind] = z
        if processes.rank() == 0:
            torch.save(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
