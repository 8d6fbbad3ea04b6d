"""From embeddings to an alignment: search, CSLS, ranking metrics, confidence."""

from pyg_ibmea.align._decoders import Decoder
from pyg_ibmea.align.approximate import approximate_topk
from pyg_ibmea.align.confidence import Alignment, align_greedy
from pyg_ibmea.align.csls import csls, neighborhood_means
from pyg_ibmea.align.metrics import ranking_metrics
from pyg_ibmea.align.ranks import Ranks, ranks
from pyg_ibmea.align.search import topk

__all__ = [
    "Alignment",
    "Decoder",
    "Ranks",
    "align_greedy",
    "approximate_topk",
    "csls",
    "neighborhood_means",
    "ranking_metrics",
    "ranks",
    "topk",
]
