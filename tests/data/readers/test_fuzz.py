"""A short run of the coverage-guided fuzzer over every reader."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz_readers.py")
RUNS = 8000


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed"
)
def test_documented_errors_only(tmp_path):
    flags = ["-max_len=400", "-seed=1", "-timeout=20", "-rss_limit_mb=0"]
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "all", f"-runs={RUNS}", *flags],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert f"Done {RUNS} runs" in ended.stderr
