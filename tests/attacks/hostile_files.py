"""Writes valid files of every format, damages them, and adds some made to harm."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import pickle
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow
import pyoxigraph
from PIL import Image
from pyarrow import parquet

FLIPS, CUTS = 8, 4
#: By format, the reader in :mod:`read_hostile_files` that takes it.
FORMATS = {
    "t.tsv": "table", "t.csv": "table", "t.tsv.gz": "table", "t.parquet": "table",
    "l.tsv": "pairs", "l.sssom.tsv": "pairs", "n.tsv": "names", "n.json": "names",
    "g.nt": "rdf", "g.nt.gz": "rdf", "g.ttl": "rdf", "g.nq": "rdf", "g.trig": "rdf",
    "g.n3": "rdf", "g.rdf": "rdf", "g.jsonld": "rdf",
    "v.pkl": "vectors", "v.0.pkl": "vectors", "v.lists.pkl": "vectors",
    "v.npz": "vectors", "v.packed.npz": "vectors", "v.npy": "vectors",
    "v.h5": "vectors", "v.named.h5": "vectors", "v.packed.h5": "vectors",
    "v.json": "vectors",
    "i.png": "image", "i.jpg": "image", "i.gif": "image", "i.webp": "image",
    "i.bmp": "image", "i.tif": "image",
    "jape/triples_1": "jape", "jape/ent_ids_1": "jape",
    "openea/rel_triples_1": "openea", "openea/ent_links": "openea",
    "mmkb/FB15K_EntityTriples.txt": "mmkb", "mmkb/DB15K_SameAsLinks.txt": "mmkb",
}  # fmt: skip
_URIS = ["http://x/a", "http://x/b", "http://x/c"]
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def write_hostile_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Writes the files; gives the reader of each and its path."""
    valid = folder / "valid"
    _write_valid(valid)
    for name, reader in FORMATS.items():
        random = np.random.default_rng(zlib.crc32(name.encode()))
        content = (valid / name).read_bytes()
        damaged = [_flipped(content, random, 1 + i // 3) for i in range(FLIPS)]
        damaged += [content[: random.integers(len(content))] for _ in range(CUTS)]
        for number, bad in enumerate([content, *damaged]):
            path = folder / f"{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if "/" in name:  # The other files of the folder are whole.
                for other in (valid / name).parent.iterdir():
                    (path.parent / other.name).write_bytes(other.read_bytes())
            path.write_bytes(bad)
            yield reader, path.parent if "/" in name else path
    for reader, path in _write_handmade(folder / "handmade"):
        yield reader, path


def _flipped(content: bytes, random: np.random.Generator, count: int) -> bytes:
    bad = bytearray(content)
    for place in random.integers(len(bad), size=count):
        bad[place] ^= 1 << int(random.integers(8))
    return bytes(bad)


def _write_valid(folder: Path) -> None:
    for name in ("jape", "openea", "mmkb"):
        (folder / name).mkdir(parents=True)
    a, b, c = _URIS
    rows = [(a, "in", b), (b, "in", c), (c, "near", a)] * 20
    tsv = "\n".join("\t".join(row) for row in rows)
    texts = {
        "t.tsv": tsv,
        "t.csv": "head,relation,tail\n" + tsv.replace("\t", ","),
        "l.tsv": "\n".join(f"{uri}\t{uri}" for uri in _URIS),
        "l.sssom.tsv": "#curie_map:\n#  x: http://x/\nsubject_id\tpredicate_id\t"
        'object_id\nx:a\tskos:exactMatch\tx:b\nx:b\towl:sameAs\t"x:c"\n',
        "n.tsv": "\n".join(f"{uri}\tName {uri}" for uri in _URIS),
        "n.json": json.dumps({uri: ["Näme", uri] for uri in _URIS}),
        "v.json": json.dumps({uri: ["Näme", uri] for uri in _URIS}),
        "jape/ent_ids_1": f"0\t{a}\n1\t{b}",
        "jape/ent_ids_2": f"2\t{a}\n3\t{b}",
        "jape/rel_ids_1": "0\tin",
        "jape/rel_ids_2": "1\tin",
        "jape/triples_1": "0\t0\t1\n1\t0\t0",
        "jape/triples_2": "2\t1\t3",
        "jape/ill_ent_ids": "0\t2\n1\t3",
        "openea/ent_links": f"{a}\t{a}\n{b}\t{b}",
        "openea/rel_triples_1": tsv,
        "openea/rel_triples_2": tsv,
        "mmkb/DB15K_SameAsLinks.txt": f"<{a}> <SameAs> <{a}> .\n<{b}> <SameAs> <{b}> .",
        "mmkb/FB15K_EntityTriples.txt": tsv,
        "mmkb/DB15K_EntityTriples.txt": tsv,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "t.tsv.gz").write_bytes(gzip.compress(tsv.encode()))
    columns = dict(
        zip(("head", "relation", "tail"), zip(*rows, strict=True), strict=True)
    )
    parquet.write_table(
        pyarrow.table({k: list(v) for k, v in columns.items()}), folder / "t.parquet"
    )
    _write_rdf(folder)
    _write_vectors(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for kind in ("png", "jpg", "gif", "webp", "bmp", "tif"):
        Image.fromarray(pixels).save(folder / f"i.{kind}")


def _write_rdf(folder: Path) -> None:
    node, literal = pyoxigraph.NamedNode, pyoxigraph.Literal
    quads = [
        pyoxigraph.Quad(node(a), node("urn:p:in"), b)
        for a in _URIS
        for b in (*map(node, _URIS), literal('T"ext', language="en"), literal(7))
    ]
    for kind in ("nt", "ttl", "nq", "trig", "n3", "rdf", "jsonld"):
        form = pyoxigraph.RdfFormat.from_extension(kind)
        content: Any = (
            [q.triple for q in quads] if kind not in ("nq", "trig", "jsonld") else quads
        )
        written = pyoxigraph.serialize(content, format=form)
        assert written is not None
        (folder / f"g.{kind}").write_bytes(written)
    (folder / "g.nt.gz").write_bytes(gzip.compress((folder / "g.nt").read_bytes()))


def _write_vectors(folder: Path) -> None:
    x = np.random.default_rng(0).normal(size=(3, 40))
    arrays = dict(zip(_URIS, x, strict=True))
    (folder / "v.pkl").write_bytes(pickle.dumps(arrays))
    (folder / "v.0.pkl").write_bytes(pickle.dumps(arrays, 0))
    lists = {i: row.tolist() for i, row in enumerate(x)}
    (folder / "v.lists.pkl").write_bytes(pickle.dumps(lists, 2))
    np.savez(folder / "v.npz", ids=_URIS, features=x)
    np.savez_compressed(folder / "v.packed.npz", ids=_URIS, features=x)
    np.save(folder / "v.npy", x)
    for name, options in [("v.h5", {}), ("v.packed.h5", {"compression": "gzip"})]:
        with h5py.File(folder / name, "w") as file:
            file["ids"] = _URIS
            file.create_dataset("features", data=x, **options)
    with h5py.File(folder / "v.named.h5", "w") as file:
        for uri, row in arrays.items():
            file[uri.replace("//", "/")] = row


def _write_handmade(folder: Path) -> Iterator[tuple[str, Path]]:
    folder.mkdir(parents=True)
    for reader, name, content in _handmade():
        (folder / name).write_bytes(content)
        yield reader, folder / name
    secret = folder / "secret"
    secret.write_bytes(bytes(3 * 8))
    with h5py.File(folder / "storage.h5", "w") as file:
        file.create_dataset("a", 3, "f8", external=[(str(secret), 0, 24)])
    with h5py.File(folder / "link.h5", "w") as file:
        file["a"] = h5py.ExternalLink(str(folder / "storage.h5"), "a")
    with h5py.File(folder / "huge.h5", "w") as file:
        file.create_dataset("a", (10**12,), "f8", chunks=(1024,))
    with h5py.File(folder / "packed.h5", "w") as file:
        file.create_dataset("ids", data=[0])
        shape = (1, 2**31)
        file.create_dataset("features", shape, "f4", chunks=(1, 2**20), fillvalue=1)
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "storage.h5"), "a", (3,))
    with h5py.File(folder / "virtual.h5", "w") as file:
        file.create_virtual_dataset("a", layout)
    for name in ("storage", "link", "huge", "packed", "virtual"):
        yield "vectors", folder / f"{name}.h5"
    for suffix, reader in {
        "tsv": "table", "csv": "table", "parquet": "table", "nt": "rdf", "rdf": "rdf",
        "pkl": "vectors", "npy": "vectors", "npz": "vectors", "h5": "vectors",
        "json": "names", "png": "image",
    }.items():  # fmt: skip
        (folder / f"zero.{suffix}").symlink_to("/dev/zero")
        os.mkfifo(folder / f"pipe.{suffix}")
        (folder / f"folder.{suffix}").mkdir()
        for kind in ("zero", "pipe", "folder"):
            yield reader, folder / f"{kind}.{suffix}"
    one = {"a": np.zeros((1, 1), "f4").repeat(3, 1)}
    np.savez(folder / "lacks.npz", **one)
    yield "vectors", folder / "lacks.npz"
    strings = pyarrow.array(["x" * 2**20]).dictionary_encode()
    many = pyarrow.DictionaryArray.from_arrays(
        np.zeros(100_000, np.int32), strings.dictionary
    )
    parquet.write_table(
        pyarrow.table({"head": many, "relation": many, "tail": many}),
        folder / "repeats.parquet",
    )
    yield "table", folder / "repeats.parquet"
    Image.new("1", (30_000, 30_000)).save(folder / "huge.png")
    yield "image", folder / "huge.png"
    Image.new("RGB", (9, 9)).save(folder / "ghost.png", format="EPS")
    yield "image", folder / "ghost.png"


def _handmade() -> Iterator[tuple[str, str, bytes]]:
    """Reader, name and content."""
    block = 64 * 2**20
    zeros, comments = (gzip.compress(x * (block // 2)) for x in (b"\0\0", b"#\n"))
    yield "table", "zeros.tsv.gz", zeros * 100
    yield "rdf", "comments.nt.gz", comments * 100
    yield "rdf", "comments.rdf.gz", zeros * 100
    yield "table", "bz2.tsv.gz", bz2.compress(b"a\tb\n")
    entities = '<!ENTITY e0 "ha">' + "".join(
        f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10)
    )
    root = f'<r:RDF xmlns:r="{_RDF}" xmlns:e="urn:e">'
    laughs = '<r:Description r:about="urn:a"><e:p>&e9;</e:p></r:Description></r:RDF>'
    yield "rdf", "laughs.rdf", f"<!DOCTYPE x [{entities}]>{root}{laughs}".encode()
    yield "rdf", "within.rdf", f"{root}<!DOCTYPE x [{entities}]>{laughs}".encode()
    long = f'<!DOCTYPE x [<!ENTITY e9 "{"a" * 10**5}">]>{root}'
    many = f'<r:Description r:about="urn:a"><e:p>{"&e9;" * 10**5}</e:p></r:Description>'
    yield "rdf", "long.rdf", f"{long}{many}</r:RDF>".encode()
    for depth in (3000, 20_000, 300_000):
        shapes = {
            "triples": ("<<( <urn:s> <urn:p> ", " )>>"),
            "blanks": ("[ <urn:p> ", " ]"),
            "lists": ("( ", " )"),
            "reified": ("<< <urn:s> <urn:p> ", " >>"),
            "open": ("[ <urn:p> ( ", ""),
        }
        for shape, (start, end) in shapes.items():
            nested = f"<urn:a> <urn:p> {start * depth} <urn:x> {end * depth} ."
            yield "rdf", f"{shape}{depth}.ttl", nested.encode()
    yield "rdf", "triples.nt", b"<urn:a> <urn:p> " + b"<<( <urn:s> <urn:p> " * 10**6
    yield "names", "deep.json", b"[" * 10**6
    yield "names", "deep2.json", b'{"a":' * 10**6
    yield "names", "half.json", b'{"a": "\\ud800"}'
    yield "names", "digits.json", b'{"%s": "a"}' % (b"9" * 10**5)
    yield "names", "number.json", b'[[%s, "a"]]' % (b"9" * 10**5)
    yield "pairs", "wide.tsv", b"a\t" * 10**6
    yield "table", "quote.csv", b'"' + b"a\n" * 10**6
    head = b"\x80\x02}K\x01"
    yield "vectors", "key.pkl", head + b"\x85" * 10**6 + b"K\x01s."
    yield "vectors", "memokey.pkl", head + b")" + b"q\0\x85" * 10**5 + b"K\x01s."
    yield "vectors", "doubled.pkl", head + b"]q\0" + b"0](h\0h\0eq\0" * 60 + b"s."
    yield "vectors", "itself.pkl", head + b"]q\0(h\0h\0es."
    yield "vectors", "dicts.pkl", head + b"}" * 10**6
    yield (
        "vectors",
        "long.pkl",
        head + b"\x8b" + struct.pack("<i", 10**6) + b"9" * 10**6,
    )
    text = b"X" + struct.pack("<I", 10**6) + b"x" * 10**6 + b"q\0"
    call = b"0c_codecs\nencode\nh\0X\x06\0\0\0latin1\x86R"
    yield "vectors", "encoded.pkl", head + text + call * 9000 + b"s."
    wide = b"c_codecs\nencode\n}X\x0c\0\0\0__defaults__Nsb."
    yield "vectors", "build.pkl", b"\x80\x02" + wide
    yield "vectors", "code.pkl", b"cposix\nsystem\n(S'touch owned'\ntR."
    for shape in ("(10**9, 10**9)", "(1000000000, 4)", "(-1, 4)", "(1,) * 10**9"):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n"
        size = struct.pack("<H", len(header))
        yield (
            "vectors",
            f"shape{len(shape)}.npy",
            b"\x93NUMPY\x01\0" + size + header.encode() + bytes(64),
        )
    deep = b"(" * 60_000
    yield "vectors", "deep.npy", b"\x93NUMPY\x01\0" + struct.pack("<H", 60_000) + deep
