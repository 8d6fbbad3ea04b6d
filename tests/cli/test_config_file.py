"""A configuration in a file: read, run again, and refused in words."""

import json
import sys
from pathlib import Path

import pytest
from torch_geometric.testing import withPackage

from pyg_ibmea.cli import main
from pyg_ibmea.cli._config_file import ConfigError, read_config_file
from pyg_ibmea.options import Options
from pyg_ibmea.train import Answer, append_answers

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
GRAPHS = [["a", "triples=a.tsv"], ["b", "triples=b.tsv", "leaves=drop"]]
TINY = ["--epochs", "2", "--graph-channels", "8", "--modal-channels", "8",
        "--propose-from", "2", "--refits", "1", "--refit-epochs", "2"]  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for side in "ab":
        rows = [f"{side}{i}\tr{i % 3}\t{side}{7 * i % 40}\n" for i in range(40)]
        (tmp_path / f"{side}.tsv").write_text("".join(rows))
    links = [f"a{i}\tb{i}\n" for i in range(40)]
    (tmp_path / "links.tsv").write_text("".join(links))
    return tmp_path


def write(folder: Path, config: object, name: str = "c.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(config))
    return path


def contents(run: Path) -> list[str]:
    names = ("config.json", "alignment.tsv", "pseudo_seeds.tsv")
    return [(run / name).read_text() for name in names]


def test_a_run_can_be_run_again_as_it_is(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    graphs = [word for g in "ab" for word in ("--graph", g, f"triples={g}.tsv")]
    words = [*graphs, "--links", "a", "b", "links.tsv", "--seed", "3", "--beta", "2e-3"]
    words += ["--bottleneck", "graph", "--ratio", "0.6", *TINY]
    first, again = files / "first", files / "sub" / "again"
    assert main(["train", *words, "--out", str(first)]) == 0
    other = files / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)
    assert main(["train", str(first / "config.json"), "--out", str(again)]) == 0
    assert contents(again) == contents(first)
    # Flags win, those that may be given several times as a whole.
    changed = files / "changed"
    more = ["--links", "a", "b", "missing.tsv"]
    capsys.readouterr()
    assert main(["train", str(first / "config.json"), *more]) == 1
    err = capsys.readouterr().err
    assert "missing.tsv" in err
    assert "twice" not in err
    more = ["--epochs", "1", "--no-iterative", "--out", str(changed)]
    assert main(["train", str(first / "config.json"), *more]) == 0
    then = json.loads((changed / "config.json").read_text())
    before = json.loads((first / "config.json").read_text())
    assert then == {**before, "epochs": 1, "iterative": False}


def test_a_continued_run_can_be_run_again(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    config = {"graphs": [GRAPHS[0], ["b", "triples=b.tsv"]], "ratio": 0.6,
              "links": [["a", "b", "links.tsv"]], "epochs": 1, "refits": 0,
              "graph_channels": 8, "modal_channels": 8, "cosine_epochs": 0}  # fmt: skip
    path = write(files, config)
    assert main(["train", str(path), "--out", "first"]) == 0
    append_answers("first", [Answer("a", "b", "a1", "b1", "same")])
    assert main(["train", "--continue", "first", "--out", "second"]) == 0
    # What is answered later was not known to the second.
    append_answers("first", [Answer("a", "b", "a2", "b9", "different")])
    assert main(["train", "second/config.json", "--out", "third"]) == 0
    assert contents(files / "third") == contents(files / "second")
    capsys.readouterr()
    assert main(["train", "second/config.json", "--lr", "0.1"]) == 1
    assert "leave out --lr" in capsys.readouterr().err
    assert main(["train", "second/config.json", "--continue", "first"]) == 1
    assert "leave out second/config.json" in capsys.readouterr().err


def test_files_are_sought_from_the_folder_of_the_configuration(files):
    config = {"graphs": GRAPHS, "links": [["a", "b", "links.tsv"]], "cache": "/c"}
    config |= {"name_encoder": "sentences:model", "image_encoder": "colours"}
    config |= {"log_to": ["mlflow"]}
    found = read_config_file(write(files, config))
    assert found["graph"][1] == ["b", f"triples={files / 'b.tsv'}", "leaves=drop"]
    assert found["links"] == [["a", "b", str(files / "links.tsv")]]
    assert found["cache"] == Path("/c")
    assert found["name_encoder"] == f"sentences:{files / 'model'}"
    assert found["image_encoder"] == "colours"
    assert found["log_to"] == ["mlflow"]


def test_every_option_is_read(files):
    changed = Options.of("paper", init_logstd=-2.0, modal_dropout=0.25)
    found = read_config_file(write(files, {"graphs": GRAPHS, **changed.flat()}))
    flags = {k: v for k, v in found.items() if k not in ("graph", "more_options")}
    assert set(found["more_options"]) == {"init_logstd", "modal_dropout",
                                          "count_modalities"}  # fmt: skip
    assert Options().replace(**flags, **found["more_options"]) == changed


@withPackage("yaml")
def test_yaml(files):
    (files / "c.yaml").write_text(
        "graphs:\n  a: {triples: a.tsv}\n  b: {triples: b.tsv, 'feature:x': x.npy}\n"
        "links: [[a, b, links.tsv]]\nlr: 1e-2\nmodalities: [graph, x]\niterative: no\n"
    )
    found = read_config_file(files / "c.yaml")
    assert found["graph"] == [
        ["a", f"triples={files / 'a.tsv'}"],
        ["b", f"triples={files / 'b.tsv'}", f"feature:x={files / 'x.npy'}"],
    ]
    assert (found["lr"], found["iterative"]) == (0.01, False)
    assert found["modalities"] == "graph,x"


@withPackage("yaml")
@pytest.mark.parametrize("name", ["c.yaml", "c.json"])
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"epohcs": 3}, "there is no key 'epohcs'; did you mean 'epochs'?"),
        ({"epochs": "many"}, "epochs must be a whole number below 2**53, got 'many'"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"lr": [1]}, "lr must be a number, got (1,)"),
        ({"beta": "x"}, "beta must be a number, got 'x'"),
        ({"search": "x"}, "search must be one of ['auto', 'exact', 'hnsw', 'ivf']"),
        ({"ratio": "all"}, "expected a number under ratio, found 'all'"),
        ({"links": [["a", "b"]]}, "expected a list of 3 under links[0], found ['a', "),
        ({"log_to": ["x"]}, "expected tensorboard, mlflow, wandb under log_to[0], "),
        ({"graphs": None}, "expected two graphs or more, each with its files under"),
        ({"val_ratio": None}, "expected a number under val_ratio, found None"),
        ({"part": "refit_0"}, "it is of a part of a run; take "),
        ({"objects": {"loss": "L"}}, "objects of Python (loss); train it again in"),
        ({"dataset": "DBP15K"}, "written by another program, such as examples/"),
    ],
)
def test_what_is_wrong_with_a_file(config, message, name, files, capsys):
    path = write(files, {"graphs": GRAPHS, **config}, name)  # JSON is YAML.
    with pytest.raises(ConfigError):
        read_config_file(path)
    assert main(["train", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {path}: ")
    assert message in err
    assert err.count("\n") == 1


@withPackage("yaml")
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.json", "{", "c.json is not JSON"),
        ("c.json", "[]", "c.json: expected an object { }, found []"),
        ("c.json", "{}", "c.json: it names no graphs"),
        ("c.yaml", "a: [1", "c.yaml, line 1: not YAML"),
        ("c.yaml", "", "c.yaml: expected an object { }, found None"),
        ("c.yaml", "a: !!python/object:os.system {}", "c.yaml, line 1: not YAML"),
        ("c.toml", "", "c.toml: a configuration must end in .json, .yaml or .yml"),
    ],
)
def test_files_that_are_no_configuration(name, text, message, files, capsys):
    (files / name).write_text(text)
    assert main(["train", str(files / name)]) == 1
    assert message in capsys.readouterr().err


def test_a_folder_and_a_missing_file_are_told(files, capsys):
    assert main(["train", str(files)]) == 1
    assert "its configuration is config.json in it" in capsys.readouterr().err
    assert main(["train", str(files / "x.json")]) == 1
    assert "x.json" in capsys.readouterr().err


def test_without_pyyaml_the_error_says_what_to_install(files, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (files / "c.yaml").write_text("{}")
    assert main(["train", str(files / "c.yaml")]) == 1
    assert 'pip install "pyg_ibmea[yaml]", or write JSON' in capsys.readouterr().err
