"""A small run that was not trained, for the tests of a review."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.datasets import GraphFiles
from pyg_ibmea.problem import links_between
from pyg_ibmea.review import EntityView, Session


@pytest.fixture
def data():
    """Two graphs of eight entities along a chain; the first two pairs are known."""
    data = HeteroData()
    data.uri = {kg: [f"http://{kg}.org/e{i}" for i in range(8)] for kg in "ab"}
    data.relation_uri = {kg: [f"http://{kg}.org/near"] for kg in "ab"}
    for kg in "ab":
        data[kg].num_nodes = 8
        chain = torch.arange(7)
        data[kg, "rel", kg].edge_index = torch.stack([chain, chain + 1])
        data[kg, "rel", kg].edge_type = torch.zeros(7, dtype=torch.long)
    links = links_between(data, ("a", "b"))
    links.edge_index = torch.arange(2).repeat(2, 1)
    links.train_mask = torch.tensor([True, False])
    links.val_mask, links.test_mask = ~links.train_mask, torch.zeros(2, dtype=bool)
    return data


@pytest.fixture
def files(tmp_path):
    """The files of graph a: triples, names, values and a picture."""
    folder = tmp_path / "a"
    (folder / "images").mkdir(parents=True)
    uris = [f"http://a.org/e{i}" for i in range(8)]
    rows = [f"{uris[i]}\thttp://a.org/near\t{uris[i + 1]}\n" for i in range(7)]
    (folder / "triples.tsv").write_text("".join(rows))
    (folder / "names.tsv").write_text(f"{uris[2]}\tTwo\n{uris[3]}\t<b>Three</b>\n")
    (folder / "attributes.tsv").write_text(f"{uris[2]}\thttp://a.org/height\t12.5\n")
    Image.new("RGB", (400, 200), "red").save(folder / "images" / "e2.png")
    return GraphFiles("a", folder=folder)


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def alignment(data):
    """Matches i - i of the other six, numbered as a file numbers them: by place."""
    order = [5, 2, 7, 3, 4, 6]
    sure = {2: 0.5, 3: 0.6, 4: 0.7, 5: 0.8, 6: 0.9, 7: 0.95}
    count = np.arange(6)
    return Alignment(
        [("a", "b")],
        {kg: [data.uri[kg][i] for i in order] for kg in "ab"},
        source=count,
        target=count,
        runner_up=np.full(6, -1),
        score=np.full(6, 0.25),
        margin=np.zeros(6),
        confidence=[sure[i] for i in order],
        pair=np.zeros(6, int),
    )


@pytest.fixture
def make_session(run, data, alignment, files):
    def make(number=20):
        views = {"a": EntityView(data, "a", files, 240), "b": EntityView(data, "b")}
        return Session(run, data, alignment, views, number)

    return make
