"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Processes that share the tests: each holds torch and Qt, and some tests start more of them."""
    return min(os.cpu_count() or 1, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no process works alone on one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real imagery; tests that need it skip where it is missing."""
    folder = Path(os.environ.get("FDEGC_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real imagery is not here ({folder}); set FDEGC_DATA to its folder")
    return folder


@pytest.fixture(autouse=True)
def small_steps_on_one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Training steps of tiny networks do not wait for threads that other programs keep from a core."""
    if not request.module.__name__.rpartition(".")[2].startswith("test_training"):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
