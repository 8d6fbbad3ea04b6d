"""What there is to see of an entity: names, neighbours, values and a picture."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.data.builder import UNNAMED
from pyg_ibmea.data.features.colours import FORMATS
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers.image_files import find_images
from pyg_ibmea.datasets import GraphFiles
from pyg_ibmea.problem import triples_of

_NEIGHBOURS = 8
_RELATIONS, _OTHERS, _VALUES, _LETTERS = 12, 6, 12, 200


class EntityView:
    """Describes the entities of a graph.

    Args:
        data (HeteroData): The problem.
        kg (str): Name of the graph.
        files (GraphFiles, optional): Where the graph came from, for names, values and
            pictures. (default: none of these are shown)
        pixels (int, optional): Width and height of pictures, at most.
            (default: :obj:`72`)

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> view = EntityView(data, "source")
        >>> sorted(view.card(data.uri["source"][0]))
        ['graph', 'relations', 'uri', 'values']
    """

    def __init__(
        self,
        data: HeteroData,
        kg: str,
        files: GraphFiles | None = None,
        pixels: int = 72,
    ) -> None:
        self.data, self.kg, self.pixels = data, kg, pixels
        self.number = {uri: i for i, uri in enumerate(data.uri[kg])}
        self.names: dict[str, str] = {}
        self.images: dict[str, Path] = {}
        self.values: dict[str, list[tuple[str, str]]] = {}
        if files is not None:
            graph = files.read()
            self.names = files.read_names(graph)
            source = files.image_source()
            if source is not None:
                self.images = find_images(source, data.uri[kg])
            self.values = _values_of(graph)

    def describe(self, uri: str) -> dict[str, Any]:
        """The ``uri``, ``neighbours`` (texts) and, where there are any, ``name`` and
        ``image`` (a ``data:`` URI) of an entity.
        """
        near = [
            f"{relation} {arrow} {other}".lstrip()
            for relation, arrow, other in self._neighbors(uri)
        ]
        more = len(near) - _NEIGHBOURS
        near = near[:_NEIGHBOURS] + ([f"… and {more} more"] if more > 0 else [])
        return {"uri": uri, "neighbours": near, **self._named(uri)}

    def card(self, uri: str) -> dict[str, Any]:
        """The same for somebody who has to decide, with the name of the ``graph``,
        ``relations``, each with its neighbours (``name``, ``arrow``, ``others`` and
        how many ``more``), and ``values`` of attributes (name and value).
        """
        grouped: dict[tuple[str, str], list[str]] = {}
        for relation, arrow, other in self._neighbors(uri):
            grouped.setdefault((relation, arrow), []).append(other)
        relations = [
            {
                "name": relation,
                "arrow": arrow,
                "others": others[:_OTHERS],
                "more": max(0, len(others) - _OTHERS),
            }
            for (relation, arrow), others in list(grouped.items())[:_RELATIONS]
        ]
        values = [
            [short_name(name), value[:_LETTERS]]
            for name, value in self.values.get(uri, [])[:_VALUES]
        ]
        known = {"graph": self.kg, "uri": uri, "relations": relations, "values": values}
        return {**known, **self._named(uri)}

    def _neighbors(self, uri: str) -> list[tuple[str, str, str]]:
        """Relation, direction and name of each neighbour."""
        store, node = triples_of(self.data, self.kg), self.number[uri]
        uris = self.data.uri[self.kg]
        named = self.data.to_dict().get("_global_store", {}).get("relation_uri", {})
        relations = named.get(self.kg)
        near = []
        for mine, other, arrow in ((0, 1, "→"), (1, 0, "←")):
            edges = torch.nonzero(store.edge_index[mine] == node).flatten()
            for edge in edges.tolist():
                kind = int(store.edge_type[edge])
                relation = UNNAMED if relations is None else relations[kind]
                far = uris[int(store.edge_index[other, edge])]
                said = "" if relation == UNNAMED else short_name(relation)
                near.append((said, arrow, self.names.get(far) or short_name(far)))
        return near

    def _named(self, uri: str) -> dict[str, str]:
        found = {}
        if uri in self.names:
            found["name"] = self.names[uri]
        if uri in self.images:
            picture = _thumbnail(self.images[uri], self.pixels)
            found |= {"image": picture} if picture else {}
        return found


def short_name(uri: str) -> str:
    """The last part of a URI.

    Example:
        >>> short_name("http://dbpedia.org/resource/Paris")
        'Paris'
    """
    return uri.rstrip("/").replace("#", "/").rsplit("/", 1)[-1] or uri


def _values_of(graph: KnowledgeGraph) -> dict[str, list[tuple[str, str]]]:
    """The values of attributes by entity, those that are known."""
    found: dict[str, list[tuple[str, str]]] = {}
    if graph.attributes is None or graph.values is None:
        return found
    pairs = zip(graph.attributes.t().tolist(), graph.values, strict=True)
    for (node, attribute), value in pairs:
        if value:
            told = (graph.attribute_names[attribute], value)
            found.setdefault(graph.entities[node], []).append(told)
    return found


def _thumbnail(path: Path, pixels: int) -> str | None:
    """A small picture as a ``data:`` URI; ``None`` if it cannot be read."""
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as image:
            warnings.simplefilter("ignore")
            if image.width * image.height > 100_000_000:
                return None
            picture = image.convert("RGBA")
    except Exception:  # Whatever a decoder raises; the training has reported it.
        return None
    picture.thumbnail((pixels, pixels))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
