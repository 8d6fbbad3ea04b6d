import json
import warnings
from pathlib import Path

import networkx
import numpy as np
import pytest
import torch
from PIL import Image
from torch_geometric.data import HeteroData

from pyg_ibmea.data import KnowledgeGraph, encode_names, read_jape, read_mmkb
from pyg_ibmea.datasets import GraphFiles, KnowledgeGraphs, MMKGPair, read_problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two graphs of ten entities, and all that there can be of them."""
    random = np.random.default_rng(0)
    for side in "ab":
        here = tmp_path / side
        (here / "images").mkdir(parents=True)
        triples = [(i, "next", (i + 1) % 10) for i in range(10)]
        triples += [(i, "has", f"leaf{i}") for i in range(3)]
        triples += [(i, "of", "hub") for i in range(3)]
        lines = [f"{side}{h}\t{r}\t{side}{t}\n" for h, r, t in triples]
        (here / "triples.tsv").write_text("".join(lines))
        facts = [f"{side}{i}\tsize\t{i * 10}\n" for i in range(6)]
        (here / "attributes.tsv").write_text("".join(facts))
        (here / "names.tsv").write_text(
            "".join(f"{side}{i}\tname {i}\n" for i in range(4))
        )
        for i in range(5):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(here / "images" / f"{side}{i}.png")
    (tmp_path / "links.tsv").write_text("".join(f"a{i}\tb{i}\n" for i in range(10)))
    return tmp_path


def test_everything_in_two_folders(folder: Path) -> None:
    files = [GraphFiles.parse([side, f"folder={folder / side}"]) for side in "ab"]
    dataset = read_problem(
        files, {("a", "b"): folder / "links.tsv"}, ratio=0.5, val_ratio=0.2
    )
    assert repr(dataset) == "KnowledgeGraphs(a, b)"
    data = dataset[0]
    store = data["a"].to_dict()
    modalities = {key.removeprefix("x_") for key in store if key.startswith("x_")}
    assert modalities == {"relation", "attribute", "number", "name", "image"}
    sizes = {m: int(store[f"mask_{m}"].sum()) for m in modalities}
    assert sizes == {"relation": 14, "attribute": 6, "number": 6, "name": 4, "image": 5}
    masks = data["a", "same_as", "b"]
    assert int(masks.test_mask.sum()) == 5
    assert int(masks.val_mask.sum()) == 1
    # The names are equal on both sides and the vectors of the words are, too.
    assert torch.allclose(data["a"].x_name, data["b"].x_name)


def test_leaves_and_modalities(folder: Path) -> None:
    files = [
        GraphFiles(side, triples=folder / side / "triples.tsv", leaves="drop")
        for side in "ab"
    ]
    links = {("a", "b"): folder / "links.tsv"}
    data = read_problem(files, links)[0]
    assert data["a"].num_nodes == 11
    assert not any("leaf" in uri for uri in data.uri["a"])
    assert not data["a", "same_as", "b"].test_mask.any()
    images = [GraphFiles(f.name, triples=f.triples,
                         images=folder / f.name / "images") for f in files]  # fmt: skip
    data = read_problem(images, links, modalities=["image"])[0]
    assert "x_relation" not in data["a"]
    with pytest.raises(ValueError, match="'name' is absent"):
        read_problem(images, links, modalities=["name"])
    with pytest.raises(ValueError, match="links name the graph 'c'; there are a, b"):
        read_problem(images, {("a", "c"): folder / "links.tsv"})
    bare = read_problem(images, {})[0]
    assert bare["a", "same_as", "b"].edge_index.shape == (2, 0)


def test_words_of_a_command_line() -> None:
    words = ["zh", "rdf=g.nt", "feature:audio=a.npz", "exclude=x.tsv"]
    files = GraphFiles.parse(words)
    assert files.features == {"audio": Path("a.npz")}
    assert files.exclude == Path("x.tsv")
    for wrong, message in [
        (["zh"], "needs one of a folder, RDF, GraphML, Neo4j and"),
        (["zh", "rdf=a", "triples=b"], r"entities\); got 2 of"),
        (["zh", "pictures=b"], "expected KEY=FILE with a key of attributes, entities"),
        (["zh", "rdf"], "got 'rdf'"),
        (["zh", "rdf=a", "rdf=b"], "rdf is given twice"),
        (["zh", "rdf=a", "leaves=eat"], "'keep' or 'drop'"),
        (["", "rdf=a"], "needs a name"),
    ]:
        with pytest.raises(ValueError, match=message):
            GraphFiles.parse(wrong)


def test_ids_with_leading_zeros_are_named(folder: Path) -> None:
    (folder / "numbered.tsv").write_text("007\tr\t1e3\n7\tr\t0\n")
    (folder / "numbers.tsv").write_text("007\tBond\n1e3\tmany\n7\tseven\n")
    files = GraphFiles(
        "a", triples=folder / "numbered.tsv", names=folder / "numbers.tsv"
    )
    named = {"007": "Bond", "1e3": "many", "7": "seven"}
    assert files.read_names(files.read()) == named


@pytest.mark.parametrize("suffix", ["npz", "npy", "json"])
@pytest.mark.parametrize("prefix", ["", "0", "e"])
def test_a_number_in_a_file_of_vectors(suffix: str, prefix: str, folder: Path) -> None:
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0)).tolist()
    names = [f"{prefix}{number}" for number in order]
    rows = [f"{names[i - 1]}\tr\t{name}\n" for i, name in enumerate(names)]
    (folder / "numbered.tsv").write_text("".join(rows))
    links = folder / "numbered_links.tsv"
    links.write_text("".join(f"{name}\t{name}\n" for name in names))
    path = folder / f"x.{suffix}"
    values = torch.arange(40.0)[:, None] + torch.tensor([1.0, 100.0])
    if suffix == "npz":
        np.savez(path, ids=np.arange(40), features=values.numpy())
    elif suffix == "npy":
        np.save(path, values.numpy())
    else:
        path.write_text(json.dumps([[i, f"name {i}"] for i in range(40)]))
        values = torch.from_numpy(encode_names([f"name {i}" for i in range(40)]))
    files = [
        GraphFiles(kg, triples=folder / "numbered.tsv", features={"audio": path})
        for kg in "ab"
    ]
    data = read_problem(files, {("a", "b"): links})[0]
    listed = [int(uri.removeprefix(prefix)) for uri in data.uri["a"]]
    expected = values if prefix else values[listed]
    assert data["a"].x_audio.equal(expected)


def test_names_must_be_of_the_graph(folder: Path) -> None:
    (folder / "names.tsv").write_text("z\tzebra\n")
    files = GraphFiles("a", folder=folder / "a", names=folder / "names.tsv")
    with pytest.raises(
        ValueError, match="names no entity of graph 'a'; the file begins with"
    ):
        files.read_names(files.read())


def test_one_relation_makes_no_bag(folder: Path) -> None:
    text = (folder / "a" / "triples.tsv").read_text().splitlines()
    edges = "".join(f"{line.split()[0]}\t{line.split()[2]}\n" for line in text)
    for side in "ab":
        (folder / f"{side}.tsv").write_text(edges.replace("a", side))
    files = [GraphFiles(s, triples=folder / f"{s}.tsv") for s in "ab"]
    links = {("a", "b"): folder / "links.tsv"}
    assert "x_relation" not in read_problem(files, links)[0]["a"]
    asked = read_problem(files, links, modalities=["relation"])[0]
    assert "x_relation" in asked["a"]


def test_from_tables_rdf_networkx_and_hetero_agree(folder: Path) -> None:
    tables, rdf, graphs, heteros = [], [], [], []
    for side in "ab":
        path = folder / side / "triples.tsv"
        tables.append({"triples": path})
        triples = [line.split("\t") for line in path.read_text().splitlines()]
        lines = "".join(f"<urn:{h}> <urn:{r}> <urn:{t}> .\n" for h, r, t in triples)
        (folder / f"{side}.nt").write_text(lines)
        rdf.append(folder / f"{side}.nt")
        graph = networkx.MultiDiGraph()
        for h, r, t in triples:
            graph.add_edge(h, t, relation=r)
        graphs.append(graph)
        data, nodes = HeteroData(), list(graph)
        data["thing"].num_nodes, data["thing"].uri = len(nodes), nodes
        for relation in ("next", "has", "of"):
            ends = [
                [nodes.index(h), nodes.index(t)] for h, r, t in triples if r == relation
            ]
            data["thing", relation, "thing"].edge_index = torch.tensor(ends).t()
        heteros.append(data)
    pairs = [(f"a{i}", f"b{i}") for i in range(10)]
    urns = "".join(f"<urn:{a}> <http://www.w3.org/2002/07/owl#sameAs> <urn:{b}> .\n"
                   for a, b in pairs)  # fmt: skip
    (folder / "links.nt").write_text(urns)
    problems = [
        MMKGPair.from_tables(*tables, folder / "links.tsv"),
        MMKGPair.from_rdf(*rdf, folder / "links.nt"),
        MMKGPair.from_networkx(*graphs, pairs),
        MMKGPair.from_hetero(*heteros, pairs),
    ]
    for problem in problems:
        assert isinstance(problem, KnowledgeGraphs)
        data = problem[0]
        names = [uri.removeprefix("urn:") for uri in data.uri["source"]]
        store = data["source", "rel", "source"]
        relations = [r.removeprefix("urn:") for r in data.relation_uri["source"]]
        ends, kinds = store.edge_index.tolist(), store.edge_type.tolist()
        found = [
            (names[h], relations[r], names[t])
            for h, t, r in zip(*ends, kinds, strict=True)
        ]
        lines = (folder / "a" / "triples.tsv").read_text().splitlines()
        assert sorted(found) == sorted(tuple(line.split("\t")) for line in lines)
        assert int(data["source", "same_as", "target"].edge_index.size(1)) == 10
    with pytest.raises(
        ValueError, match="links name 'nobody', which is not in graph 'target'"
    ):
        MMKGPair.from_networkx(*graphs, [("a1", "nobody")])


def test_the_users_graphs_are_left_alone() -> None:
    triples = torch.tensor([[0, 0, 1]])
    graphs = [
        KnowledgeGraph(n, ["x", "y"], ["r"], triples,
                       attributes=torch.tensor([[0], [0]]), attribute_names=["name"],
                       values=["5"])
        for n in "ab"
    ]  # fmt: skip
    links = {("a", "b"): torch.tensor([[0, 1], [0, 1]])}
    data = KnowledgeGraphs(graphs, links, val_ratio=0.0)[0]
    assert data["a"].x_number.shape == (2, 8)
    assert data["a"].x_name.any()
    assert all(not graph.features for graph in graphs)


def test_mmkb_files_equal_the_jape_layout(tmp_path: Path) -> None:
    jape = tmp_path / "jape"
    jape.mkdir()
    random = np.random.default_rng(0)
    size, raw = 40, tmp_path / "raw"
    raw.mkdir()
    uri = [[f"/m/{i}" for i in range(size)], [f"http://d/{i}" for i in range(size)]]
    links = random.permutation(size)[:30]
    (jape / "ill_ent_ids").write_text("".join(f"{i}\t{size + i}\n" for i in links))
    text = "".join(f"{uri[0][i]} SameAs <{uri[1][i]}> .\n" for i in links)
    (raw / "DB15K_SameAsLinks.txt").write_text(text)
    for side, name in enumerate(("FB15K", "DB15K")):
        triples = np.unique(random.integers(0, [size, 5, size], (120, 3)), axis=0)
        start = side * size
        rows = "".join(f"{i + start}\t{u}\n" for i, u in enumerate(uri[side]))
        (jape / f"ent_ids_{side + 1}").write_text(rows)
        rows = "".join(f"{i}\thttp://r/{i}\n" for i in range(5))
        (jape / f"rel_ids_{side + 1}").write_text(rows)
        rows = "".join(f"{h + start}\t{r}\t{t + start}\n" for h, r, t in triples)
        (jape / f"triples_{side + 1}").write_text(rows)
        u = [f"<{x}>" if side else x for x in uri[side]]
        rows = "".join(f"{u[h]} <http://r/{r}> {u[t]} .\n" for h, r, t in triples)
        (raw / f"{name}_EntityTriples.txt").write_text(rows)
        facts = sorted({(int(h), f"http://p/{r}") for h, r, _ in triples[:50]})
        rows = "".join(f"{uri[side][e]}\t{p}\n" for e, p in facts)
        (jape / f"training_attrs_{side + 1}").write_text(rows)
        rows = "".join(f"{u[e]} <{p}> {e}.5 .\n" for e, p in facts)
        (raw / f"{name}_NumericalTriples.txt").write_text(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old, new = read_jape(jape), read_mmkb(raw)
    for a, b in [(old.source, new.source), (old.target, new.target)]:
        # Only entities that are in no statement are unknown to MMKB's files.
        used = {a.entities[i] for i in a.triples[:, [0, 2]].flatten().tolist()}
        assert set(b.entities) >= used
        assert told(a) == told(b)
    assert pairs(old) == pairs(new)


def told(graph: KnowledgeGraph) -> tuple[set[object], set[object]]:
    names = graph.entities
    triples = {(names[h], graph.relations[r], names[t])
               for h, r, t in graph.triples.tolist()}  # fmt: skip
    assert graph.attributes is not None
    facts = {(names[e], graph.attribute_names[a])
             for e, a in graph.attributes.t().tolist()}  # fmt: skip
    return triples, facts


def pairs(pair) -> set[tuple[str, str]]:
    return {(pair.source.entities[i], pair.target.entities[j])
            for i, j in pair.links.t().tolist()}  # fmt: skip


def test_entities_without_counterpart(folder: Path) -> None:
    files = [GraphFiles(s, triples=folder / s / "triples.tsv") for s in "ab"]
    links = {("a", "b"): folder / "links.tsv"}
    (folder / "alone.tsv").write_text("entity\naleaf0\naleaf1\nnobody\nahub\naleaf2\n")
    alone = {("a", "b"): folder / "alone.tsv"}
    split = {"ratio": 0.5, "val_ratio": 0.4}
    told = "dropped 1 of 5 entities .*'nobody' is not an entity of 'a'"
    with pytest.warns(UserWarning, match=told):
        data = read_problem(files, links, dangling=alone, **split)[0]
    store = data["a", "same_as", "b"]
    names = [data.uri["a"][i] for i in store.dangling.tolist()]
    assert sorted(names) == ["ahub", "aleaf0", "aleaf1", "aleaf2"]
    assert sorted(store.dangling_part.tolist()) == [0, 1, 2, 2]
    # A leaf of which this is known is not dropped.
    dropping = [GraphFiles(f.name, triples=f.triples, leaves="drop") for f in files]
    with pytest.warns(UserWarning, match=told):
        data = read_problem(dropping, links, dangling=alone)[0]
    assert "aleaf0" in data.uri["a"]
    assert not any("leaf" in uri for uri in data.uri["b"])
    (folder / "alone.tsv").write_text("a1\n")
    with pytest.raises(ValueError, match=r"1 entities of 'a' are in a link.*'a1'"):
        read_problem(files, links, dangling=alone)
    (folder / "alone.tsv").write_text("nobody\n")
    with pytest.raises(ValueError, match="names no entity of graph 'a'"):
        read_problem(files, links, dangling=alone)


def test_pairs_that_are_dropped_are_told_once(folder: Path) -> None:
    with (folder / "links.tsv").open("a") as file:
        file.write("nobody\tb1\n")
    files = [
        GraphFiles(side, triples=folder / side / "triples.tsv", leaves="drop")
        for side in "ab"
    ]
    with pytest.warns(UserWarning, match="dropped 1 of 11 pairs") as told:
        read_problem(files, {("a", "b"): folder / "links.tsv"})
    assert len(told) == 1
