"""From embeddings to an alignment: search, CSLS, ranking metrics, confidence."""

from pyg_ibmea.align._value_learning import ValueCorrespondence
from pyg_ibmea.align.agreement import neighborhood_agreement
from pyg_ibmea.align.alignment import Alignment, Match
from pyg_ibmea.align.backends import ExactSearch, PartSearch, Search
from pyg_ibmea.align.calibration import (
    Calibration,
    coverage_curve,
    expected_calibration_error,
    reliability,
)
from pyg_ibmea.align.candidates import Candidates, find_candidates
from pyg_ibmea.align.clusters import Clusters, cluster_matches
from pyg_ibmea.align.confidence import align_greedy
from pyg_ibmea.align.csls import csls
from pyg_ibmea.align.decoders import (
    CSLS,
    Cosine,
    Decoder,
    Scoring,
    Similarity,
    Sinkhorn,
)
from pyg_ibmea.align.explanation import Contribution, Explanation
from pyg_ibmea.align.forbidding import forbid
from pyg_ibmea.align.hnsw_search import HNSWSearch
from pyg_ibmea.align.ivf_search import IVFSearch
from pyg_ibmea.align.matching import assignment, match_probabilities, mutual_nearest
from pyg_ibmea.align.metrics import ranking_metrics
from pyg_ibmea.align.questions import choose_questions
from pyg_ibmea.align.search import topk
from pyg_ibmea.align.sinkhorn import sinkhorn
from pyg_ibmea.align.spreading import spread_agreement
from pyg_ibmea.align.value_agreement import (
    value_agreement,
    value_correspondences,
)
from pyg_ibmea.align.views import join_views

__all__ = [
    "CSLS",
    "Alignment",
    "Calibration",
    "Candidates",
    "Clusters",
    "Contribution",
    "Cosine",
    "Decoder",
    "ExactSearch",
    "Explanation",
    "HNSWSearch",
    "IVFSearch",
    "Match",
    "PartSearch",
    "Scoring",
    "Search",
    "Similarity",
    "Sinkhorn",
    "ValueCorrespondence",
    "align_greedy",
    "assignment",
    "choose_questions",
    "cluster_matches",
    "coverage_curve",
    "csls",
    "expected_calibration_error",
    "find_candidates",
    "forbid",
    "join_views",
    "match_probabilities",
    "mutual_nearest",
    "neighborhood_agreement",
    "ranking_metrics",
    "reliability",
    "sinkhorn",
    "spread_agreement",
    "topk",
    "value_agreement",
    "value_correspondences",
]
