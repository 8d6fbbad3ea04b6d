import json

from benchmarks import report
from benchmarks.report import exponents, groups, machine, table


def result(group, name, median, **info):
    return {
        "group": group,
        "name": f"test_case[{name}]",
        "stats": {"median": median},
        "extra_info": info,
    }


def test_table_has_ratios_to_the_first_row():
    rows = [
        result("a", "ours", 0.5, extra_memory_mib=12.4, edges_per_second=2e6),
        result("b", "other", 1.0),
        result("a", "dense", 2.0, extra_memory_mib=None),
    ]
    members = groups({"benchmarks": rows})["a"]
    assert table(members).splitlines()[2:] == [
        "| ours | 500 ms | 1.00 | 12 MiB | 2e+06 edges/s |",
        "| dense | 2,000 ms | 4.00 |  |  |",
    ]


def test_exponents_of_powers():
    members = [
        result("s", "x", 3e-6 * n**1.25, nodes=n, extra_memory_mib=2.0 * n)
        for n in (10, 100, 5000)
    ]
    assert exponents(members) == (
        "Time grows with exponent 1.25, extra memory with 1.00 (least squares)."
    )
    del members[0]["extra_info"]["extra_memory_mib"]
    assert exponents(members) == "Time grows with exponent 1.25 (least squares)."


def test_machine_names_what_matters():
    line = machine(
        {
            "machine_info": {"machine": "x86_64", "python_version": "3.11.7"},
            "benchmarks": [result("a", "x", 1.0, threads=2)],
            "torch": "2.13.0",
            "datetime": "2026-01-02T03:04:05",
            "commit_info": {"id": "0123456789abcdef"},
        }
    )
    assert "2 threads" in line
    assert "PyTorch 2.13.0, 2026-01-02, commit 01234567" in line


def test_results_that_are_added_say_when_they_ran(tmp_path, monkeypatch):
    about = {
        "machine_info": {"machine": "x86_64", "python_version": "3.11.7"},
        "torch": "2.13.0",
        "datetime": "2026-01-02T03:04:05",
        "commit_info": {"id": "0123456789abcdef"},
    }
    later = {**about, "datetime": "2026-05-06", "commit_info": {"id": "fedcba98765"}}
    files = {
        "first.json": {**about, "benchmarks": [result("a", "ours", 1.0)]},
        "large.json": {"benchmarks": [result("b", "ours", 2.0)]},
        "later.json": {**later, "benchmarks": [result("c", "ours", 3.0)]},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    paths = [str(tmp_path / name) for name in files]
    argv = ["report", *paths, "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", argv)
    report.main()
    _, a, b, c = (tmp_path / "out" / "report.md").read_text().split("\n## ")
    assert "Measured" not in a + b
    assert "Measured 2026-05-06, commit fedcba98." in c
    assert "| ours | 3,000 ms | 1.00 |" in c
