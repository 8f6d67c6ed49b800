"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# As many processes as cores share the tests: threads inside of operations, of this process and of those that
# tests start, would only wait for each other.  Tests of what threads do ask for them by number.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Processes that share the tests: each holds torch and Qt, and some tests start more of them."""
    return min(os.cpu_count() or 1, 4)


#: Files that take longest, in about that order.
LONGEST = (
    "test_ways", "test_targets", "test_fidelity", "test_prediction", "test_memory",
    "test_training_distributed", "test_smoothness", "test_rasters_as_they_are", "test_judging",
    "test_component_transform", "test_hostile", "test_training_plan", "test_exactness", "test_training_step",
    "test_codec", "test_starting", "test_guests", "test_evaluation", "test_docs", "test_cli", "test_training",
    "test_workers", "test_correction", "test_damage_container", "test_face", "test_refinement",
    "test_evaluation_scene_peers", "test_kept", "test_effort", "test_streams", "test_batch_cluster",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no process works alone on one at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


def pytest_collection_finish() -> None:
    """One network for all codecs of the process, if there will be any; what was imported is never garbage."""
    gc.collect()
    gc.freeze()  # or every collection of everything takes half a second
    if "fdegc.codec.facade" in sys.modules:
        from tests.sharing import share_network

        share_network()


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search among the ways of a tile that codes few sizes of each form.

    For tests of what becomes of its choice, or of anything else: ways are looked at and chosen as ever, in a
    third of the time.  What the search finds is a matter of test_ways, test_targets and their like.
    """
    from tests.sharing import search_less

    search_less(monkeypatch)


@pytest.fixture(scope="module")
def few_tries_here() -> Iterator[None]:
    """The same for all tests of a file and for what they share."""
    from tests.sharing import search_less

    with pytest.MonkeyPatch.context() as monkeypatch:
        search_less(monkeypatch)
        yield


@pytest.fixture(scope="module")
def bands_as_they_are() -> Iterator[None]:
    """No trial of how the bands of a scene might enter the network, for all tests of a file.

    Of a small scene with more than three bands, or such as have little in common, it takes most of the time.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("fdegc.codec.facade.choose_components", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real imagery; tests that need it skip where it is missing."""
    folder = Path(os.environ.get("FDEGC_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real imagery is not here ({folder}); set FDEGC_DATA to its folder")
    return folder
