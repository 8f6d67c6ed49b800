"""Kept guests: what other codecs made of scenes that were open, beside the results that were made here."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Never

from fdegc.atomic import whole
from fdegc.errors import FdegcError
from fdegc.raster_info import RasterInfo
from fdegc.results import MetricSet
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.kept import FORM, samples_crc
from fdegc_gui.jobs.records import from_plain, to_plain
from fdegc_gui.models.guest import Guest
from fdegc_gui.models.sample_store import SampleStore

log = logging.getLogger(__name__)

_NAME = re.compile(r"guest(\d{1,6})")


@dataclass(frozen=True, slots=True)
class KeptGuest:
    """Record of what another codec made, beside its samples.

    Attributes
    ----------
    guest : Guest
    metrics : MetricSet or None
        None until they have been computed, and for parts of a scene.
    samples : str
        Name of the folder of its samples.
    samples_crc : int
        CRC-32 of some of them.
    """

    guest: Guest
    metrics: MetricSet | None
    samples: str
    samples_crc: int


def next_guest_folder(place: Path) -> Path:
    """Folder for the samples of another guest, after all that are there."""
    found = (_NAME.match(path.name) for path in place.glob("guest*"))
    return place / f"guest{1 + max((int(match[1]) for match in found if match is not None), default=0)}"


def keep_guest(guest: Guest, store: SampleStore) -> None:
    """Record of a guest, written to where its samples are."""
    _write(store.folder.parent, KeptGuest(guest, None, store.folder.name, samples_crc(store)))


def keep_guest_metrics(store: SampleStore, metrics: MetricSet) -> None:
    """Metrics of a guest in its record, if there is one."""
    kept = _read(_record(store.folder))
    if kept is not None:
        _write(store.folder.parent, dataclasses.replace(kept, metrics=metrics))


def find_guests(folder: Path, info: RasterInfo) -> tuple[KeptGuest, ...]:
    """Guests that are kept of a scene and whose samples are as they were written, as they came."""
    found = (_read(path) for path in folder.glob("guest*.json"))
    sound = (kept for kept in found if kept is not None and _is_sound(folder, kept, info))
    return tuple(sorted(sound, key=lambda kept: int(kept.samples.removeprefix("guest"))))


def _record(samples: Path) -> Path:
    return samples.with_name(f"{samples.name}.json")


def _write(folder: Path, kept: KeptGuest) -> None:
    text = json.dumps({"form": FORM, "guest": to_plain(kept)})
    with whole(_record(folder / kept.samples)) as file:
        file.write(text.encode())


def _read(path: Path) -> KeptGuest | None:
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict) or found.get("form") != FORM:
            raise ValueError("another form")
        kept = from_plain(KeptGuest, found.get("guest"))
        if not _NAME.fullmatch(kept.samples) or path != _record(path.parent / kept.samples):
            raise ValueError("another guest")
    except (OSError, ValueError, RecursionError) as error:
        log.info("“%s” is left out: %s", path, error)
        return None
    return kept


def _is_sound(folder: Path, kept: KeptGuest, info: RasterInfo) -> bool:
    try:
        return samples_crc(SampleStore(folder / kept.samples, info)) == kept.samples_crc
    except (OSError, ValueError, FdegcError) as error:  # of another size, or gone
        log.info("“%s” of “%s” is left out: %s", kept.samples, folder, error)
        return False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForgetGuest(Job[None, Never]):
    """Removal of a guest's samples, and of its record first.

    Attributes
    ----------
    samples : Path
        Their folder.
    """

    samples: Path

    @property
    def kind(self) -> str:
        """Kind by guest: each is a request of its own."""
        return f"forget-{self.samples}"

    def run(self, context: Context[Never]) -> None:
        _record(self.samples).unlink(missing_ok=True)
        shutil.rmtree(self.samples, ignore_errors=True)
