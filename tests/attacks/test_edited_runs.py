"""Whatever is edited in the JSON of a run, commands end well or say what is wrong."""

import copy
import json
import shutil

import pytest
from attacked_runs import train_words

from pyg_ibmea.cli import main

# A command may go on with a note.
pytestmark = [pytest.mark.attack, pytest.mark.filterwarnings("default")]
# What names another file, or the pairs that another share of them leaves.
ELSEWHERE = ("there is no file x", "pairs were known to the training")
NOTHING = object()
VALUES = [NOTHING, None, "x", -7, ["a", 1], {"a": {"b": [None]}}]
NUMBERS = [0.5, 1e308, 10**400, float("nan"), True]


@pytest.fixture(scope="module")
def runs(graph_files, tmp_path_factory):
    """A finished run of two graphs, and one of three."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("plain", "three graphs"):
        assert main(train_words(graph_files, name, folder / name)) == 0
    return folder


def places(value, path=()):
    """The keys that lead to each part; of a list, to its first and last items."""
    yield path
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from places(inside, (*path, key))
    elif isinstance(value, list) and value:
        for number in {0, len(value) - 1}:
            yield from places(value[number], (*path, number))


def edited(value, path, new):
    """A copy with another value in a place, or without it."""
    if not path:
        return {} if new is NOTHING else new
    value = copy.deepcopy(value)
    inside = value
    for key in path[:-1]:
        inside = inside[key]
    if new is NOTHING:
        del inside[path[-1]]
    else:
        inside[path[-1]] = new
    return value


def damaged(whole):
    """A file that no longer holds what it held."""
    yield b""
    yield b"\x00" * 64
    for share in (1, 7, 9):
        yield whole[: len(whole) * share // 10]
    yield whole + b"\x00"
    yield whole.replace(b'"', b'"\xff', 1)
    yield b"\xef\xbb\xbf" + whole
    yield b"[" + whole + b"]"
    yield b"[" * 100_000 + b"]" * 100_000 + b"\n"
    yield b'{"a":' * 500 + b"1" + b"}" * 500 + b"\n"
    yield b'{"seed": ' + b"9" * 5000 + b"}\n"
    yield whole.replace(b"{", b'{"seed": "x", "epoch": "x", "test": 1, ', 1)
    yield whole.replace(b"{", b'{"\\ud800\\n": 1, ', 1)


class Attack:
    """A copy of a run, a file of which is changed again and again.

    Args:
        run (Path): The run.
        out (Path): Folder of the copy and of what commands write.
        name (str): The file.
        commands (dict): By name, what to run.
        capsys: Of pytest.
    """

    def __init__(self, run, out, name, commands, capsys):
        self.run, self.copy, self.name = run, out / "copy", name
        self.commands, self.capsys = commands, capsys
        self.whole = (run / name).read_bytes()
        self.wrong, self.ends = [], {0: 0, 1: 0}
        self.renew()

    def renew(self):
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.run, self.copy)

    def try_all(self, content, what, commands):
        for command in commands:
            (self.copy / self.name).write_bytes(content)
            self.capsys.readouterr()
            code = main(self.commands[command])
            told = self.capsys.readouterr().err
            errors = [x for x in told.splitlines() if x.startswith("error: ")]
            fine = code == 0
            if code == 1 and len(errors) == 1:
                names = (self.name, str(self.copy), *ELSEWHERE)
                named = any(name in errors[0] for name in names)
                fine = named and len(errors[0]) < 700 and "Traceback" not in told
            if not fine:
                self.wrong.append((what, command, code, told[-300:]))
            self.ends[code] += 1
            if code == 0 and command in ("resume", "align"):
                self.renew()  # It wrote the file, and others, again.


@pytest.fixture
def attack(request, runs, graph_files, tmp_path, capsys):
    kind, name = request.param
    copied = str(tmp_path / "copy")
    train = train_words(graph_files, kind, copied)
    to = str(tmp_path / "to")
    commands = {
        "figures": ["evaluate", copied],
        "figures as JSON": ["evaluate", copied, "--json"],
        "judge": ["evaluate", copied, "--graphs", "a", "b", "--pairs",
                  str(graph_files / "ab.tsv")],
        "export": ["export", copied, "--to", f"{to}.tsv"],
        "embeddings": ["export", copied, "--what", "embeddings", "--to", to],
        "merged": ["export", copied, "--what", "merged", "--to", f"{to}.nt"],
        "report": ["report", copied],
        "align": ["align", copied],
        "resume": [*train, "--resume"],
    }  # fmt: skip
    return Attack(runs / kind, tmp_path, name, commands, capsys)


READERS = {
    "metrics.json": ["figures", "figures as JSON", "export", "report"],
    "metrics.jsonl": ["report", "embeddings", "resume"],
    "refit_0/config.json": ["resume"],
}


@pytest.mark.parametrize(
    "attack",
    [
        *(("plain", n) for n in ("config.json", "metrics.json", "metrics.jsonl")),
        ("three graphs", "refit_0/config.json"),
    ],
    indirect=True,
)
def test_damaged_files(attack):
    for content in damaged(attack.whole):
        commands = READERS.get(attack.name, attack.commands)
        attack.try_all(content, content[:40], commands)
    assert attack.wrong == []
    assert min(attack.ends.values()) > 0


@pytest.mark.parametrize("attack", [("plain", "config.json")], indirect=True)
def test_edited_configuration(attack):
    config = json.loads(attack.whole)
    of_problem = list(config)[: list(config).index("cache") + 1]
    for path in places(config):
        if path[:1] and path[0] not in of_problem:  # An option.
            tried = {"embeddings": [NOTHING, "x", -7], "resume": [None]}
        else:
            values = [*VALUES, *NUMBERS] if len(path) == 1 else VALUES
            tried = {"figures": VALUES, "judge": values, "report": ["x", -7]}
        for command, values in tried.items():
            for new in values:
                content = json.dumps(edited(config, path, new)).encode()
                attack.try_all(content, (path, new), [command])
    assert attack.wrong == []
    assert min(attack.ends.values()) > 50


@pytest.mark.parametrize(
    "attack",
    [("plain", "metrics.json"), ("three graphs", "metrics.json")],
    indirect=True,
)
def test_edited_metrics(attack):
    metrics = json.loads(attack.whole)
    if "pairs" in metrics:
        kept = dict([next(iter(metrics["pairs"].items()))])
        metrics = {"pairs": kept, "clusters": metrics["clusters"]}
    for path in places(metrics):
        if "target_to_source" in path:  # As the other direction.
            continue
        for new in VALUES if len(path) < 3 else [NOTHING, "x", 1e308, 10**400]:
            content = json.dumps(edited(metrics, path, new)).encode()
            commands = ["figures", "export"]
            if new in (NOTHING, 1e308):
                commands.append("report")
            attack.try_all(content, (path, new), commands)
    assert attack.wrong == []
    assert min(attack.ends.values()) > 50


@pytest.mark.parametrize("attack", [("plain", "metrics.jsonl")], indirect=True)
def test_edited_history(attack):
    first, second = map(json.loads, attack.whole.splitlines())
    for path in places(second):
        for new in VALUES if path else [None, []]:
            lines = [first, edited(second, path, new)]
            content = "".join(json.dumps(line) + "\n" for line in lines).encode()
            attack.try_all(content, (path, new), ["report"])
            if new == "x":
                attack.try_all(content, (path, new), ["resume"])
    assert attack.wrong == []
    assert min(attack.ends.values()) > 50
