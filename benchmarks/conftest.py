"""Options of the benchmarks."""

import pytest
import torch


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="the sizes of the tables (half an hour)"
    )


@pytest.fixture(scope="session")
def full(request):
    return request.config.getoption("--full")


def pytest_benchmark_update_json(config, benchmarks, output_json):
    output_json["torch"] = torch.__version__
