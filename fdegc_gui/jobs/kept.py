"""Kept scenes: results of scenes that were open, in the user's cache, until there are too many of them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import re
import shutil
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from typing_extensions import Never

from fdegc import __version__
from fdegc.atomic import identity, open_locked, whole
from fdegc.errors import FdegcError, OutputBusy
from fdegc.format import SUFFIX
from fdegc.format.writer import part_path
from fdegc.raster_info import RasterInfo
from fdegc.results import EncodeResult, MetricSet
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.records import from_plain, to_plain
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.models.way import cut_of, effort_of, keys_of, row_of

log = logging.getLogger(__name__)

#: Bytes that kept scenes may take, and the share of what would be free without them.
LIMIT, SHARE = 4 * 2**30, 0.25
_NAME = re.compile(r"[0-9a-f]{32}")
_LOCK = "lock"
#: Changes when records do: others are left out then.
FORM = 2
#: Rows and columns of samples that tell whether a reconstruction is what was written.
_CHECKED = 128


def user_folder() -> Path:
    """Folder of the user's kept scenes."""
    import platformdirs

    return platformdirs.user_cache_path("fdegc", appauthor=False) / "scenes"


class KeptScenes:
    """Kept scenes of a folder, each in the hands of one program at a time; for any thread.

    A scene is known by its file's path, size and time of change: one that was changed is another.  What is
    unreadable, or was written by another version, counts as not there.

    Parameters
    ----------
    root : Path or None
        None to keep nothing.
    limit : int
        Bytes; the scene that was used last stays whatever it takes.
    """

    def __init__(self, root: Path | None, limit: int = LIMIT) -> None:
        self._root, self._limit = root, limit
        self._lock = threading.Lock()
        self._held: dict[Path, tuple[BinaryIO, int]] = {}

    def hold(self, path: Path) -> Path | None:
        """Folder for the results of a scene, kept from others until :meth:`let_go`.

        Returns
        -------
        Path or None
            None if the scene is no file of its own, another program has it, or there is no writing there.
        """
        state = identity(path)
        if self._root is None or state is None:
            return None
        folder = self._root / hashlib.sha256(state + f"\0{__version__}".encode()).hexdigest()[:32]
        with self._lock:
            file, times = self._held.get(folder, (None, 0))
            try:
                if file is None:
                    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                    file = open_locked(folder / _LOCK)
                os.utime(folder / _LOCK)
            except (OSError, OutputBusy) as error:
                log.info("the scene's results are not kept: %s", error)
                return None
            self._held[folder] = file, times + 1
        return folder

    def let_go(self, folder: Path) -> None:
        """End of a use of a folder; others may have it after the last one."""
        with self._lock:
            file, times = self._held.pop(folder)
            if times > 1:
                self._held[folder] = file, times - 1
            else:
                with contextlib.suppress(OSError):
                    os.utime(folder / _LOCK)
                file.close()

    def trim(self, everything: bool = False) -> None:
        """Removal of the scenes that were used longest ago, until the rest is within the limit.

        Parameters
        ----------
        everything : bool
            Whether to remove all but those in use.
        """
        entries = self._entries()
        sizes = [sum(_size(file) for file in folder.rglob("*")) for folder in entries]
        limit = 0 if everything else self._limit
        if entries and self._root is not None:
            limit = min(limit, round(SHARE * (shutil.disk_usage(self._root).free + sum(sizes))))
        room = limit
        for i, (folder, size) in enumerate(zip(entries, sizes, strict=True)):
            room -= size
            if everything or (i > 0 and room < 0):
                self._remove(folder)

    def _entries(self) -> list[Path]:
        """Folders of scenes, the one that was used last first; nothing else that may lie there."""
        if self._root is None or not self._root.is_dir():
            return []
        found = [
            path
            for path in self._root.iterdir()
            if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        ]
        return sorted(found, key=_used, reverse=True)

    def _remove(self, folder: Path) -> None:
        with self._lock:
            if folder in self._held:
                return
            try:
                open_locked(folder / _LOCK).close()
            except (OSError, OutputBusy):  # another program's
                return
            shutil.rmtree(folder, ignore_errors=True)


def _used(folder: Path) -> float:
    try:
        return (folder / _LOCK).stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # gone meanwhile
        return 0


# ------------------------------------------------------------------------------ results


@dataclass(frozen=True, slots=True)
class KeptResult:
    """Record of a finished result, beside its files.

    Attributes
    ----------
    key : int
    encode : EncodeResult
    metrics : MetricSet or None
        None until they have been computed.
    samples : str
        Name of the folder of its reconstruction.
    stream_crc, samples_crc : int
        CRC-32 of the compressed file, and of some samples of the reconstruction.
    """

    key: int
    encode: EncodeResult
    metrics: MetricSet | None
    samples: str
    stream_crc: int
    samples_crc: int


def stem(key: int) -> str:
    """Beginning of the names of a result's files: ``rate4``, ``rate4-effort2``, ``rate4-cut2``."""
    effort, cut = effort_of(key), cut_of(key)
    return f"rate{row_of(key)}{f'-effort{effort}' if effort else ''}{f'-cut{cut}' if cut else ''}"


def record_path(folder: Path, key: int) -> Path:
    """Path of a result's record."""
    return folder / f"{stem(key)}.json"


def stream_path(folder: Path, key: int) -> Path:
    """Path of a result's compressed file."""
    return folder / f"{stem(key)}{SUFFIX}"


def is_unfinished(stream: Path) -> bool:
    """Whether a compression that was cancelled has left something to go on from."""
    return part_path(stream).exists()


def keep_result(key: int, encode: EncodeResult, store: SampleStore) -> None:
    """Record of a finished result, written to where its files are."""
    crc, samples = zlib.crc32(encode.path.read_bytes()), samples_crc(store)
    _write(encode.path.parent, KeptResult(key, encode, None, store.folder.name, crc, samples))


def keep_metrics(folder: Path, key: int, encode: EncodeResult, metrics: MetricSet) -> None:
    """Metrics of a result in its record, unless that has become one of another result."""
    kept = _read(record_path(folder, key))
    if kept is not None and kept.encode == encode:
        _write(folder, dataclasses.replace(kept, metrics=metrics))


def find_results(folder: Path, info: RasterInfo) -> tuple[KeptResult, ...]:
    """Results that are kept of a scene and whose files are as they were written."""
    found = (_read(path) for path in folder.glob("rate*.json"))
    sound = (kept for kept in found if kept is not None and _is_sound(folder, kept, info))
    return tuple(sorted(sound, key=lambda kept: kept.key))


def find_unfinished(folder: Path) -> frozenset[int]:
    """Keys of rate points of which a cancelled compression has left something to go on from."""
    keys = (key for rate in range(1, 7) for key in keys_of(rate))
    return frozenset(key for key in keys if is_unfinished(stream_path(folder, key)))


def _write(folder: Path, kept: KeptResult) -> None:
    text = json.dumps({"form": FORM, "result": to_plain(kept)})
    with whole(record_path(folder, kept.key)) as file:
        file.write(text.encode())


def _read(path: Path) -> KeptResult | None:
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict) or found.get("form") != FORM:
            raise ValueError("another form")
        kept = from_plain(KeptResult, found.get("result"))
        if path != record_path(path.parent, kept.key):
            raise ValueError("another result")
    except (OSError, ValueError, RecursionError) as error:
        log.info("“%s” is left out: %s", path, error)
        return None
    encode = dataclasses.replace(kept.encode, path=stream_path(path.parent, kept.key))
    return dataclasses.replace(kept, encode=encode)


def _is_sound(folder: Path, kept: KeptResult, info: RasterInfo) -> bool:
    if kept.samples not in (f"{stem(kept.key)}-0", f"{stem(kept.key)}-1"):
        return False
    try:
        data = kept.encode.path.read_bytes()
        store = SampleStore(folder / kept.samples, info)
        return (
            len(data) == kept.encode.bytes
            and zlib.crc32(data) == kept.stream_crc
            and samples_crc(store) == kept.samples_crc
        )
    except (OSError, ValueError, FdegcError) as error:  # of another size, or gone
        log.info("%s of “%s” is left out: %s", stem(kept.key), folder, error)
        return False


def samples_crc(store: SampleStore) -> int:
    """CRC-32 of some samples of a store, evenly spaced."""
    samples = store.read_every(max(1, max(store.info.width, store.info.height) // _CHECKED))
    crc = 0
    for plane in (samples.pixels, samples.valid, samples.alpha, samples.missing):
        if plane is not None:
            crc = zlib.crc32(plane.tobytes(), crc)
    return crc


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrimKept(Job[None, Never]):
    """Removal of what is kept beyond the limit, or of everything that is not in use."""

    kept: KeptScenes
    everything: bool = False

    def run(self, context: Context[Never]) -> None:
        self.kept.trim(self.everything)
