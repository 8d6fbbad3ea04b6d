"""The layout of an alignment problem in ``HeteroData``: names, links, split, numbering.

All other modules read and write a problem through this one, so that each key of the
layout is defined in one place.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, permutations
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Dataset, HeteroData
from torch_geometric.data.storage import EdgeStorage

from pyg_ibmea.large import ranges

__all__ = [
    "PARTS",
    "Literals",
    "Pair",
    "add_validation_pairs",
    "alignment_pair",
    "check_names",
    "check_problem",
    "dangling_of",
    "different_of",
    "labels_of",
    "linked_pairs",
    "links_between",
    "links_of",
    "literals_of",
    "modalities_of",
    "pair_problems",
    "pair_title",
    "seed_pairs",
    "set_labels",
    "triples_of",
    "unaligned_entities",
    "uris_of",
]

Pair = tuple[str, str]
"""The names of a source and a target graph."""

PARTS = ("train", "val", "test")
"""The parts of a split."""

GRAPH = "graph"
"""The name of the structural modality, the only one without an ``x_`` key."""

# What HeteroData holds beside its graphs, under names that no graph can have then.
_TAKEN_BY_DATA = (
    *("uri", "relation_uri", "column_uri", "labels", "literals"),
    "_global_store",
)
# The structure, and what stands for all other modalities in the option beta.
_TAKEN_BY_MODEL = (GRAPH, "*")

_TRIPLES = "rel"
_LINKS = "same_as"


class Literals(NamedTuple):
    """The attribute values of a graph, one a row, in the order of its readers.

    Attributes:
        entity (torch.Tensor): Node ids, long ``[A]``.
        attribute (torch.Tensor): Numbers of attributes, long ``[A]``.
        text (list of str): The A values as they were written, none of them empty.
        attribute_uri (list of str): URIs by number of attribute.
    """

    entity: Tensor
    attribute: Tensor
    text: list[str]
    attribute_uri: list[str]


def literals_of(data: HeteroData, kg: str) -> Literals:
    """The attribute values of a graph; none where the problem holds none of it.

    They are in ``data.literals[kg]``, at graph level as names are: a dictionary of
    ``entity``, ``attribute``, ``text`` and ``attribute_uri``.

    Args:
        data (HeteroData): The problem.
        kg (str): Name of the graph.

    Example:
        >>> data = HeteroData()
        >>> data["en"].num_nodes = 2
        >>> data.literals = {
        ...     "en": {
        ...         "entity": torch.tensor([1]),
        ...         "attribute": torch.tensor([0]),
        ...         "text": ["1887-03-31"],
        ...         "attribute_uri": ["opened"],
        ...     }
        ... }
        >>> literals_of(data, "en").text
        ['1887-03-31']
    """
    found = data.to_dict().get("_global_store", {}).get("literals", {})
    if kg not in found:
        none = torch.empty(0, dtype=torch.long)
        return Literals(none, none, [], [])
    return Literals(**found[kg])


def triples_of(data: HeteroData, kg: str) -> EdgeStorage:
    """The triples of a graph: ``edge_index`` long ``[2, E]``, head to tail, and
    ``edge_type`` long ``[E]``.

    Args:
        data (HeteroData): The problem.
        kg (str): Name of the graph; a graph without triples gets an empty store to
            write to.
    """
    return data[kg, _TRIPLES, kg]


def links_between(data: HeteroData, pair: Pair) -> EdgeStorage:
    """The links of two graphs: ``edge_index`` long ``[2, L]`` and, once split,
    ``train_mask``, ``val_mask`` and ``test_mask`` bool ``[L]``.

    Args:
        data (HeteroData): The problem.
        pair (tuple): Names of the two graphs; a pair without links gets an empty store
            to write to.
    """
    return data[pair[0], _LINKS, pair[1]]


def has_triples(data: HeteroData, kg: str) -> bool:
    """Whether a graph has any triples."""
    kind = (kg, _TRIPLES, kg)
    return kind in data.edge_types and data[kind].edge_index.size(1) > 0


def modalities_of(data: HeteroData) -> list[str]:
    """The modalities that at least one graph has features of, in order of appearance.

    Args:
        data (HeteroData): The problem.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> modalities_of(SyntheticMMKG(num_entities=100)[0])
        ['relation', 'attribute', 'image', 'name']
    """
    keys = (str(key) for kg in data.node_types for key in data[kg].to_dict())
    return list(dict.fromkeys(key[2:] for key in keys if key.startswith("x_")))


def feature_channels(data: HeteroData) -> dict[str, int]:
    """The feature channels of each modality.

    Args:
        data (HeteroData): The problem.

    Raises:
        ValueError: If a modality is not on every graph, differs in width between
            graphs, has no mask, or has a row that is not finite.
    """
    channels: dict[str, int] = {}
    for modality in modalities_of(data):
        for kg in data.node_types:
            x = data[kg].get(f"x_{modality}")
            mask = data[kg].get(f"mask_{modality}")
            if x is None or mask is None:
                raise ValueError(
                    f"graph {kg!r} needs both x_{modality} and mask_{modality}; if it "
                    "lacks the modality, make them all zero and all False"
                )
            if x.size(1) != channels.setdefault(modality, x.size(1)):
                raise ValueError(
                    f"modality {modality!r} has {x.size(1)} channels in graph {kg!r} "
                    f"and {channels[modality]} in another; all graphs share one encoder"
                )
            _check_finite(data, kg, modality)
    return channels


def _check_finite(data: HeteroData, kg: str, modality: str) -> None:
    """Raises ValueError for features that no training survives, masked or not."""
    x = data[kg][f"x_{modality}"]
    bad = (~_lengths(x).isfinite()).nonzero().flatten()
    if not bad.numel():
        return
    row = int(bad[0])
    uris = data.to_dict().get("_global_store", {}).get("uri", {}).get(kg, ())
    entity = f"entity {uris[row]!r}" if row < len(uris) else f"entity {row}"
    raise ValueError(
        f"data[{kg!r}].x_{modality} holds NaN, infinity or numbers too large for "
        f"float32 in {bad.numel()} of {x.size(0)} rows, first in that of {entity}; set "
        f"such rows to zero and mask_{modality} to False there, or scale the features"
    )


def _lengths(x: Tensor) -> Tensor:
    """The squared or plain length of each row in float32, as encoders compute them."""
    if not x.is_sparse:
        parts = [x[rows].float() for rows in ranges(x.size(0))]
        lengths = [torch.linalg.vector_norm(part, dim=1) for part in parts]
        return torch.cat(lengths) if lengths else x.new_zeros(0)
    values: Tensor = x._values().float().square()
    if values.dim() > 1:
        values = values.sum(dim=1)
    return values.new_zeros(x.size(0)).index_add_(0, x._indices()[0], values)


def entity_counts(data: HeteroData) -> dict[str, int]:
    """The number of entities of each graph."""
    return {kg: int(data[kg].num_nodes) for kg in data.node_types}


def first_numbers(counts: Mapping[str, int]) -> dict[str, int]:
    """The number of each graph's first entity when the entities of all graphs are
    numbered consecutively, graph after graph.

    Args:
        counts (dict): Number of entities of each graph; see :func:`entity_counts`.

    Example:
        >>> first_numbers({"zh": 3, "en": 2})
        {'zh': 0, 'en': 3}
    """
    return dict(zip(counts, [0, *accumulate(counts.values())], strict=False))


def relation_numbers(data: HeteroData) -> tuple[dict[str, Tensor], int]:
    """Numbers the relations of all graphs jointly.

    Relations with the same URI in two graphs (``data.relation_uri``) are one relation;
    without URIs, no relations are shared between graphs.

    Args:
        data (HeteroData): The problem.

    Returns:
        tuple: For each graph, the joint numbers of its relations; and the total number
        of relations.

    Raises:
        ValueError: If a triple has a relation that the graph does not list.
    """
    numbers: dict[object, int] = {}
    found = {}
    uris = data.to_dict().get("_global_store", {}).get("relation_uri", {})
    for kg in data.node_types:
        edge_type = triples_of(data, kg).edge_type
        used = int(edge_type.max()) + 1 if edge_type.numel() else 0
        names = uris.get(kg, [(kg, relation) for relation in range(used)])
        if used > len(names):
            raise ValueError(
                f"graph {kg!r} has a triple of relation {used - 1}, but lists only "
                f"{len(names)} relations"
            )
        found[kg] = torch.tensor(
            [numbers.setdefault(name, len(numbers)) for name in names],
            dtype=torch.long,
            device=edge_type.device,
        )
    return found, len(numbers)


def linked_pairs(data: HeteroData) -> list[Pair]:
    """The names of each pair of linked graphs; empty if there are none."""
    return [(a, b) for a, kind, b in data.edge_types if kind == _LINKS]


def pair_problems(data: HeteroData) -> Iterator[tuple[Pair, HeteroData]]:
    """Yields each linked pair of graphs with the alignment problem of these two.

    Each problem holds all graphs, but only the links of its pair: it can be used
    wherever a problem of two graphs can, and one model of all graphs fits every
    problem.

    Args:
        data (HeteroData): The problem, of two or more graphs; it is not modified.

    Yields:
        tuple: Names of the two graphs and their problem, in the order of
        :func:`linked_pairs`; if there is only one pair, the problem itself.

    Raises:
        ValueError: If no graphs are linked.
    """
    pairs = linked_pairs(data)
    if not pairs:
        raise ValueError(f"no graphs are linked by {_LINKS!r}")
    for pair in pairs:
        problem = data
        if len(pairs) > 1:
            problem = copy.copy(data)
            for a, b in pairs:
                if (a, b) != pair:
                    del problem[a, _LINKS, b]
        yield pair, problem


def alignment_pair(data: HeteroData) -> Pair:
    """The names of the two graphs of a problem with exactly one linked pair.

    Raises:
        ValueError: If there is not exactly one pair.
    """
    pairs = linked_pairs(data)
    if len(pairs) != 1:
        raise ValueError(
            f"exactly one pair of linked graphs is needed, got {pairs}; iterate over "
            "pair_problems to take them one by one"
        )
    return pairs[0]


def pair_title(pair: Pair) -> str:
    """What figures of a pair of graphs stand under, such as ``'zh - en'``."""
    return " - ".join(pair)


def links_of(data: HeteroData, part: str) -> Tensor:
    """The links in one part of the split.

    Args:
        data (HeteroData): The problem of one pair of graphs.
        part (str): ``'train'``, ``'val'`` or ``'test'``.

    Returns:
        torch.Tensor: Node ids, long ``[2, L]``.

    Raises:
        ValueError: If the part is unknown or there is not exactly one pair.
    """
    store = links_between(data, alignment_pair(data))
    links: Tensor = store.edge_index[:, store[f"{_checked_part(part)}_mask"]]
    return links


def seed_pairs(data: HeteroData) -> dict[Pair, Tensor]:
    """The training pairs, long ``[2, L]``, of each linked pair of graphs."""
    return {pair: links_of(problem, "train") for pair, problem in pair_problems(data)}


def add_validation_pairs(data: HeteroData) -> HeteroData:
    """A copy of the problem in which the validation pairs are training pairs, for a
    final training when nothing is left to be selected.

    Args:
        data (HeteroData): The problem; it is not modified.
    """
    known = copy.copy(data)
    for pair in linked_pairs(data):
        store = links_between(known, pair)
        store.train_mask = store.train_mask | store.val_mask
        store.val_mask = torch.zeros_like(store.val_mask)
    return known


def unaligned_entities(data: HeteroData, parts: Sequence[str]) -> list[Tensor]:
    """Node ids of both graphs, ascending, that occur in no pair of the given parts.

    Args:
        data (HeteroData): The problem of one pair of graphs.
        parts (sequence of str): Parts of the split.
    """
    known = [links_of(data, part) for part in parts]
    device = links_of(data, "train").device
    entities = []
    for side, kg in enumerate(alignment_pair(data)):
        free = torch.ones(data[kg].num_nodes, dtype=torch.bool)
        for links in known:
            free[links[side].cpu()] = False
        entities.append(free.nonzero().flatten().to(device))
    return entities


def dangling_of(data: HeteroData, part: str) -> Tensor:
    """The source entities in one part of the split that are known to have no
    counterpart.

    Args:
        data (HeteroData): The problem of one pair of graphs; its links may hold
            ``dangling``, the node ids of such entities, long ``[D]``, and
            ``dangling_part``, the part that each belongs to: 0 training, 1 validation,
            2 test.
        part (str): ``'train'``, ``'val'`` or ``'test'``.

    Returns:
        torch.Tensor: Node ids, long; empty if none are known.

    Raises:
        ValueError: If the part is unknown or there is not exactly one pair.
    """
    number = PARTS.index(_checked_part(part))
    store = links_between(data, alignment_pair(data))
    if "dangling" not in store:
        return torch.empty(0, dtype=torch.long, device=store.edge_index.device)
    found: Tensor = store.dangling[store.dangling_part == number]
    return found


def different_of(data: HeteroData) -> Tensor:
    """The pairs of entities that are known to be different.

    Args:
        data (HeteroData): The problem of one pair of graphs; its links may hold
            ``different``, the node ids of such pairs, long ``[2, D]``.

    Returns:
        torch.Tensor: Node ids, long ``[2, D]``; empty if none are known.

    Raises:
        ValueError: If there is not exactly one pair of graphs.
    """
    store = links_between(data, alignment_pair(data))
    if "different" not in store:
        none: Tensor = store.edge_index[:, :0]
        return none
    found: Tensor = store.different
    return found


def uris_of(data: HeteroData) -> dict[str, Sequence[str]]:
    """The URIs of the entities of each graph; their numbers as text where the data
    have none.
    """
    uris = data.to_dict().get("_global_store", {}).get("uri", {})
    return {
        kg: uris[kg] if kg in uris else [str(i) for i in range(data[kg].num_nodes)]
        for kg in data.node_types
    }


def labels_of(data: HeteroData, kg: str) -> list[tuple[str, ...]]:
    """The labels of each entity of a graph: its names in any language, and synonyms.

    ``data.labels`` holds ``{kg: [str, ...]}`` by node id, the labels of an entity
    parted by line breaks; see :func:`set_labels`.

    Args:
        data (HeteroData): The problem.
        kg (str): Name of the graph.

    Returns:
        list: For each entity a tuple of its labels, the preferred one first; empty
        where there are none.

    Example:
        >>> data = HeteroData()
        >>> data["en"].num_nodes = 2
        >>> labels_of(set_labels(data, "en", [["Paris", "Lutetia"], []]), "en")
        [('Paris', 'Lutetia'), ()]
    """
    texts = data.to_dict().get("_global_store", {}).get("labels", {}).get(kg)
    if texts is None:
        return [()] * int(data[kg].num_nodes)
    return [tuple(text.split("\n")) if text else () for text in texts]


def set_labels(
    data: HeteroData, kg: str, labels: Iterable[Iterable[str]]
) -> HeteroData:
    """Writes the labels of a graph's entities into ``data.labels``, in place.

    They identify entities where no pairs are known; no model learns from them. White
    space within a label becomes a single space, and a label that repeats or is empty is
    left out.

    Args:
        data (HeteroData): The problem.
        kg (str): Name of the graph.
        labels (iterable): The labels of each entity, the preferred one first.

    Returns:
        HeteroData: The same data.

    Raises:
        ValueError: If there are not as many as entities, or a label is not UTF-8.
    """
    texts = []
    for given in labels:
        if isinstance(given, str):
            raise ValueError(
                f"the labels of an entity of {kg!r} must be a list of texts, got "
                f"{given!r}; write [{given!r}]"
            )
        found = dict.fromkeys(" ".join(label.split()) for label in given)
        texts.append("\n".join(label for label in found if label))
    _check_labels(data, kg, texts)
    before = data.to_dict().get("_global_store", {}).get("labels", {})
    data.labels = {**before, kg: texts}
    return data


def _check_labels(data: HeteroData, kg: str, texts: Sequence[object]) -> None:
    if len(texts) != data[kg].num_nodes:
        raise ValueError(
            f"data.labels[{kg!r}] must have a text for each of the "
            f"{data[kg].num_nodes} entities of the graph, '' for one without labels; "
            f"got {len(texts)}"
        )
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(
                f"data.labels[{kg!r}] must hold texts, got {text!r}; set_labels of "
                "pyg_ibmea.problem writes lists of labels"
            )
    check_texts(f"data.labels[{kg!r}]", texts)


def check_names(graphs: Iterable[str] = (), modalities: Iterable[str] = ()) -> None:
    """Checks that graphs and modalities can be called so.

    Any text will do that has a visible character and no control characters or line
    breaks, which tables cannot hold, except for a few names that are taken. Two pairs
    of graphs may not have the same title (see :func:`pair_title`).

    Args:
        graphs (iterable of str, optional): Names of graphs, all that are used together.
            (default: none)
        modalities (iterable of str, optional): Names of modalities. (default: none)

    Raises:
        ValueError: If a name cannot be used.

    Example:
        >>> check_names(["zh", "en"], ["image", "a/b"])
        >>> check_names(modalities=["graph"])
        Traceback (most recent call last):
        ...
        ValueError: the modality name 'graph' is taken; choose another
    """
    graphs = list(graphs)
    for what, names, taken in (
        ("graph", graphs, _TAKEN_BY_DATA),
        ("modality", modalities, _TAKEN_BY_MODEL),
    ):
        for name in names:
            if not name.strip():
                raise ValueError(f"a {what} needs a name, got {name!r}")
            kinds = {unicodedata.category(character) for character in name}
            if "Cs" in kinds:
                raise ValueError(f"the {what} name {name!r} is not UTF-8")
            if kinds & {"Cc", "Zl", "Zp"}:
                raise ValueError(
                    f"the {what} name {name!r} holds a control character or line "
                    "break; choose another"
                )
            if name in taken:
                raise ValueError(f"the {what} name {name!r} is taken; choose another")
    titled: dict[str, Pair] = {}
    for pair in permutations(dict.fromkeys(graphs), 2):
        other = titled.setdefault(pair_title(pair), pair)
        if other != pair:
            raise ValueError(
                f"the graphs {other} and the graphs {pair} are both "
                f"{pair_title(pair)!r} in the figures; rename one of them"
            )


def check_texts(where: str, texts: Iterable[object]) -> None:
    """Raises ValueError for half a character (a lone surrogate), which no file holds.

    Args:
        where (str): What the texts are, for the message.
        texts (iterable): The texts.
    """
    found = [str(text) for text in texts]
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        bad = next(text for text in found if re.search("[\ud800-\udfff]", text))
        raise ValueError(
            f"{where}: {bad!r} is not UTF-8 and cannot be written to a file; rename it"
        ) from None


def check_problem(data: HeteroData) -> None:
    """Checks that data has the layout of an alignment problem.

    Args:
        data (HeteroData): The data.

    Raises:
        TypeError: If the data is not a ``HeteroData``.
        ValueError: If something is missing or inconsistent; the message names the store
            and the key, and says what is expected.

    Example:
        >>> data = HeteroData()
        >>> data["en"].num_nodes = data["nl"].num_nodes = 2
        >>> check_problem(data)
        Traceback (most recent call last):
        ...
        ValueError: data['en', 'rel', 'en'] needs edge_index [2, E] and edge_type [E], \
both long; give a graph without triples empty ones
    """
    if not isinstance(data, HeteroData):
        hint = "; take dataset[0]" if isinstance(data, Dataset) else ""
        raise TypeError(
            "an alignment problem must be a HeteroData, got "
            f"{type(data).__name__}{hint}"
        )
    if len(data.node_types) < 2:
        raise ValueError(
            "an alignment problem needs two or more graphs, as node types of the "
            f"HeteroData, got {list(data.node_types)}"
        )
    check_names(data.node_types, modalities_of(data))
    for kg in data.node_types:
        _check_graph(data, kg)
    feature_channels(data)
    uris = data.to_dict().get("_global_store", {}).get("uri")
    for kg, count in entity_counts(data).items():
        if uris is not None and len(uris.get(kg, ())) != count:
            raise ValueError(
                f"data.uri[{kg!r}] must name all {count} entities of the graph, got "
                f"{len(uris.get(kg, ()))} names"
            )
        if uris is not None:
            check_texts(f"data.uri[{kg!r}]", uris[kg])
    for kg, labels in data.to_dict().get("_global_store", {}).get("labels", {}).items():
        if kg not in data.node_types:
            raise ValueError(
                f"data.labels names the graph {kg!r}; there are "
                f"{', '.join(data.node_types)}"
            )
        _check_labels(data, kg, labels)
    _check_literals(data)
    if not linked_pairs(data):
        raise ValueError(
            "no graphs are linked; store the known pairs of two graphs a and b in "
            "data[a, 'same_as', b] as edge_index [2, L]"
        )
    for pair in linked_pairs(data):
        _check_links(data, pair)


def _check_graph(data: HeteroData, kg: str) -> None:
    # PyG would infer it from the features and warn.
    count = data[kg].to_dict().get("num_nodes")
    if count is None:
        raise ValueError(f"data[{kg!r}] needs num_nodes, the number of its entities")
    where = f"data[{kg!r}, {_TRIPLES!r}, {kg!r}]"
    store = data[kg, _TRIPLES, kg] if (kg, _TRIPLES, kg) in data.edge_types else {}
    edge_index, edge_type = store.get("edge_index"), store.get("edge_type")
    if (
        not isinstance(edge_index, Tensor)
        or not isinstance(edge_type, Tensor)
        or not _is_long_pairs(edge_index)
        or edge_type.dtype != torch.long
        or edge_type.shape != edge_index.shape[1:]
    ):
        raise ValueError(
            f"{where} needs edge_index [2, E] and edge_type [E], both long; give "
            "a graph without triples empty ones"
        )
    _check_ids(f"{where}.edge_index", edge_index, (count, count))
    for modality in modalities_of(data):
        _check_features(f"data[{kg!r}].x_{modality}", data[kg].get(f"x_{modality}"))
        for key in (f"x_{modality}", f"mask_{modality}"):
            value = data[kg].get(key)
            if isinstance(value, Tensor) and value.size(0) != count:
                raise ValueError(
                    f"data[{kg!r}].{key} has {value.size(0)} rows for {count} entities"
                )
        mask = data[kg].get(f"mask_{modality}")
        if isinstance(mask, Tensor) and (mask.dtype != torch.bool or mask.dim() != 1):
            raise ValueError(
                f"data[{kg!r}].mask_{modality} must be bool [{count}], got "
                f"{mask.dtype} {list(mask.shape)}"
            )


def _check_literals(data: HeteroData) -> None:
    literals = data.to_dict().get("_global_store", {}).get("literals", {})
    if not isinstance(literals, Mapping) or not set(literals) <= set(data.node_types):
        raise ValueError(
            f"data.literals must be a dictionary by graph ({data.node_types}), got "
            f"{list(literals) if isinstance(literals, Mapping) else type(literals)}"
        )
    for kg, given in literals.items():
        where = f"data.literals[{kg!r}]"
        if set(given) != set(Literals._fields):
            raise ValueError(
                f"{where} must hold {', '.join(Literals._fields)}, got {list(given)}"
            )
        entity, attribute, text, uris = Literals(**given)
        for name, ids, count in (
            ("entity", entity, int(data[kg].num_nodes)),
            ("attribute", attribute, len(uris)),
        ):
            if ids.dtype != torch.long or list(ids.shape) != [len(text)]:
                raise ValueError(
                    f"{where}[{name!r}] must be long [{len(text)}], one for each text, "
                    f"got {ids.dtype} {list(ids.shape)}"
                )
            if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < count:
                wrong = int(ids[(ids < 0) | (ids >= count)][0])
                raise ValueError(f"{where} names {name} {wrong} of {count}")


def _check_features(where: str, x: object) -> None:
    if x is None:
        return
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{where} must be a tensor, got {type(x).__name__}; torch.from_numpy makes "
            "one of an array"
        )
    known = x.layout in (torch.strided, torch.sparse_coo)
    if x.dim() != 2 or not known or x.is_complex():
        kind = f"{x.dtype} {str(x.layout).removeprefix('torch.')} {list(x.shape)}"
        raise ValueError(
            f"{where} must be [num_entities, F] of real numbers, dense or sparse_coo, "
            f"got {kind}"
        )


def _check_links(data: HeteroData, pair: Pair) -> None:
    where = f"data[{pair[0]!r}, {_LINKS!r}, {pair[1]!r}]"
    store, counts = links_between(data, pair), entity_counts(data)
    edge_index = store.get("edge_index")
    if not _is_long_pairs(edge_index):
        raise ValueError(f"{where}.edge_index must be long [2, L]")
    _check_ids(f"{where}.edge_index", edge_index, (counts[pair[0]], counts[pair[1]]))
    masks = [store.get(f"{part}_mask") for part in PARTS]
    for part, mask in zip(PARTS, masks, strict=True):
        if (
            not isinstance(mask, Tensor)
            or mask.dtype != torch.bool
            or mask.shape != edge_index.shape[1:]
        ):
            got = "none" if mask is None else f"{mask.dtype} {list(mask.shape)}"
            raise ValueError(
                f"{where}.{part}_mask must be bool [{edge_index.size(1)}], got {got}; "
                "pyg_ibmea.data.set_split writes the masks"
            )
    if bool((sum(mask.long() for mask in masks) > 1).any()):
        raise ValueError(f"{where} has a link in more than one part of the split")
    if "different" in store:
        _check_different(where, store, (counts[pair[0]], counts[pair[1]]))


def _check_different(where: str, store: EdgeStorage, counts: tuple[int, int]) -> None:
    different = store.different
    if not _is_long_pairs(different):
        raise ValueError(f"{where}.different must be long [2, D]")
    _check_ids(f"{where}.different", different, counts)
    known = store.edge_index[:, store.train_mask | store.val_mask]
    keys = [ids[0] * counts[1] + ids[1] for ids in (different, known)]
    both = different[:, torch.isin(*keys)]
    if both.size(1):
        i, j = both[:, 0].tolist()
        raise ValueError(
            f"{where} has nodes {i} and {j} as a known pair and in `different`; take "
            "them out of one"
        )


def _check_ids(where: str, ids: Tensor, counts: tuple[int, int]) -> None:
    for side, count in zip(ids, counts, strict=True):
        if side.numel() and not 0 <= int(side.min()) <= int(side.max()) < count:
            wrong = int(side[(side < 0) | (side >= count)][0])
            raise ValueError(f"{where} names node {wrong}, but there are {count} nodes")


def _is_long_pairs(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.dtype == torch.long
        and value.dim() == 2
        and value.size(0) == 2
    )


def _checked_part(part: str) -> str:
    if part not in PARTS:
        raise ValueError(f"part must be one of {PARTS}, got {part!r}")
    return part
