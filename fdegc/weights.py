"""Which weights there are, where they lie, and whether they are what they claim to be.

Folders are searched in this order: the environment variable ``FDEGC_WEIGHTS``, the user's data
folder, the weights that came with the package.  Each holds a ``manifest.json``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.errors import WeightsInvalid, WeightsMissing
from fdegc.memory import PROCESS_BYTES, block_cache, usable_cores
from fdegc.raster_info import RasterInfo
from fdegc.resources import data_dir
from fdegc.results import Estimate
from fdegc.types import HALO

#: Bytes of the SHA-256 by which a stream names its weights.
HASH_BYTES = 8
#: Bytes of a file that are not payload: fixed part, and for each tile (``docs/format.md``).
CONTAINER_BYTES = (120, 40)
#: Bytes that coding takes for any number of tiles of any size: libraries at work.
CODING_BYTES = 0.16e9
#: What a worker holds beside the network's own memory: φ, parameters of latents, pixels on their way.
TASK_BYTES = 0.05e9
#: What the entropy coder holds of a latent position and channel of a band group: φ twice, operand, sums.
PHI_BYTES = 60
#: A step of refining latents, as a multiple of the time of compressing without; steps that its start takes.
STEP_COST, STARTING_STEPS = 1.4, 2.5
#: Bytes that gradients take, as a multiple of those of the network (``docs/memory.md``).
REFINEMENT_MEMORY = 12.0
# Rows of a usual file's blocks at a tile's ends.
_BLOCK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class RateFigures:
    """Cost and quality of a rate point on the validation images: mean bpp and mean PSNR in dB."""

    quality: float
    bpp: float
    psnr: float


@dataclass(frozen=True, slots=True)
class WeightsEntry:
    """Entry of a manifest: one set of weights.

    Attributes
    ----------
    profile : str
    path : Path
    sha256 : str
    network : mapping
        Keyword arguments of the network (widths, latent, hidden, rate_points, centred).
    rates : tuple of RateFigures
    encode_seconds, decode_seconds, memory_bytes : float
        Seconds and bytes per megapixel on the machine named in the model card.
    """

    profile: str
    path: Path
    sha256: str
    network: Mapping[str, Any]
    rates: tuple[RateFigures, ...]
    encode_seconds: float
    decode_seconds: float
    memory_bytes: float

    @property
    def short_hash(self) -> bytes:
        """First eight bytes of the SHA-256, as stored in a stream."""
        return bytes.fromhex(self.sha256)[:HASH_BYTES]

    @property
    def scale(self) -> tuple[float, float]:
        """Smallest and largest quality."""
        return self.rates[0].quality, self.rates[-1].quality


def user_folder() -> Path:
    """Folder for weights that a user adds."""
    import platformdirs  # only once somebody asks for weights

    return platformdirs.user_data_path("fdegc", appauthor=False) / "weights"


def search_folders() -> list[Path]:
    """Folders that may hold weights, in order of precedence."""
    folders = [user_folder(), data_dir("weights")]
    if override := os.environ.get("FDEGC_WEIGHTS"):
        folders.insert(0, Path(override))
    return folders


def read_manifest(folder: Path) -> list[WeightsEntry]:
    """Entries of a folder's manifest; none if it has no manifest.

    Raises
    ------
    WeightsInvalid
        If the manifest is not what this version writes.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        return []
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return [
            WeightsEntry(
                profile=model["profile"],
                path=folder / model["file"],
                sha256=model["sha256"],
                network=model["network"],
                rates=tuple(RateFigures(r["quality"], r["bpp"], r["psnr"]) for r in model["rates"]),
                encode_seconds=float(model["encode_seconds_per_mpx"]),
                decode_seconds=float(model["decode_seconds_per_mpx"]),
                memory_bytes=float(model["memory_bytes_per_mpx"]),
            )
            for model in document["models"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsInvalid(
            f"The weights manifest “{path}” cannot be read ({error}); reinstall it."
        ) from error


def available() -> list[WeightsEntry]:
    """Weights that are available, those of earlier folders first."""
    return [entry for folder in search_folders() for entry in read_manifest(folder)]


def find(
    *, profile: str | None = None, short_hash: bytes | None = None, folder: Path | None = None
) -> WeightsEntry:
    """First weights of a profile, or exactly those that a stream names; looked for in ``folder`` first.

    Raises
    ------
    WeightsMissing
        If there are none such.
    """
    own = read_manifest(folder) if folder else []
    for entry in own + available():
        if (profile is None or entry.profile == profile) and (
            short_hash is None or entry.short_hash == short_hash
        ):
            return entry
    wanted = f"weights {short_hash.hex()}" if short_hash else f"weights of profile '{profile}'"
    folders = ", ".join(f"“{folder}”" for folder in search_folders())
    raise WeightsMissing(
        f"The {wanted} are not installed (looked in {folders}); "
        "install the release of FDEGC that they came with, or set FDEGC_WEIGHTS to their folder."
    )


def load(entry: WeightsEntry) -> dict[str, npt.NDArray[np.generic]]:
    """Tensors of a weights file, all of them, after its SHA-256 has been checked.

    Raises
    ------
    WeightsMissing, WeightsInvalid
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_tensors

    try:
        content = entry.path.read_bytes()
    except OSError as error:
        raise WeightsMissing(f"The weights file “{entry.path}” cannot be read: {error.strerror}.") from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise WeightsInvalid(f"The weights file “{entry.path}” is damaged or was changed; reinstall it.")
    try:
        tensors: dict[str, npt.NDArray[np.generic]] = load_tensors(content)
    except SafetensorError as error:
        raise WeightsInvalid(
            f"The weights file “{entry.path}” is not a safetensors file: {error}."
        ) from error
    return tensors


def expected_bpp(rates: Sequence[RateFigures], quality: float) -> float:
    """Mean bits per pixel at a quality, geometrically interpolated between rate points."""
    qualities = [r.quality for r in rates]
    return float(np.exp(np.interp(quality, qualities, np.log([r.bpp for r in rates]))))


@functools.lru_cache(maxsize=1)
def _default_entry() -> WeightsEntry:
    return find(profile=default_profile())


def default_profile() -> str:
    """Profile to compress with unless one is asked for: ``lite``, or what ``FDEGC_WEIGHTS`` has first."""
    if override := os.environ.get("FDEGC_WEIGHTS"):
        profiles = [entry.profile for entry in read_manifest(Path(override))]
        if profiles and "lite" not in profiles:
            return profiles[0]
    return "lite"


def quick_estimate(
    info: RasterInfo,
    quality: float,
    tile_size: int = 512,
    entry: WeightsEntry | None = None,
    workers: int | None = None,
    steps: int = 0,
) -> Estimate:
    """Bytes, seconds and memory of a compression, at once, from the manifest's averages.

    Parameters
    ----------
    info : RasterInfo
    quality : float
        1.0 to 6.0.
    tile_size : int
        Pixels.
    entry : WeightsEntry, optional
        Weights that will be used; those of the default profile otherwise.
    workers : int, optional
        Tiles that are in the network at a time; by default as many as there are cores.
    steps : int
        In which latents are refined, if they all are made.

    Raises
    ------
    WeightsMissing
    """
    entry = entry or _default_entry()
    groups = -(-info.bands // 3)
    megapixels = info.pixels * groups / 1e6
    tiles = -(-info.width // tile_size) * -(-info.height // tile_size) * groups
    bits = expected_bpp(entry.rates, quality) * info.pixels * groups
    size = bits / 8 + CONTAINER_BYTES[0] + CONTAINER_BYTES[1] * tiles
    plain = Estimate(
        bytes=round(size),
        seconds=megapixels * entry.encode_seconds,
        memory_bytes=round(
            PROCESS_BYTES
            + CODING_BYTES
            + min(workers or usable_cores(), tiles // groups) * tile_bytes(info, tile_size, entry)
            + _scene_bytes(info, tile_size, entry)
        ),
    )
    return with_refinement(plain, info, steps, tile_size, entry, workers)


def with_refinement(
    estimate: Estimate,
    info: RasterInfo,
    steps: int,
    tile_size: int = 512,
    entry: WeightsEntry | None = None,
    workers: int | None = None,
) -> Estimate:
    """Estimate of a compression that refines latents, from that of one that does not.

    Parameters
    ----------
    estimate : Estimate
        Of the compression without.
    info, steps, tile_size, entry, workers
        As of :func:`quick_estimate`.
    """
    if not steps:
        return estimate
    entry = entry or _default_entry()
    at_once = min(workers or usable_cores(), -(-info.width // tile_size) * -(-info.height // tile_size))
    more = tile_bytes(info, tile_size, entry, steps) - tile_bytes(info, tile_size, entry)
    return replace(
        estimate,
        seconds=estimate.seconds * (1 + refinement_cost(steps)),
        memory_bytes=round(estimate.memory_bytes + at_once * more),
    )


def refinement_cost(steps: int) -> float:
    """Time of refining latents in some steps, as a multiple of that of compressing without."""
    return STEP_COST * (steps + STARTING_STEPS) if steps else 0.0


def tile_bytes(info: RasterInfo, tile_size: int, entry: WeightsEntry | None = None, steps: int = 0) -> float:
    """Memory of one tile on its way through the network and the entropy coder (``docs/memory.md``).

    With any ``steps`` of refinement it is more, however many they are.
    """
    entry, sample = entry or _default_entry(), np.dtype(info.dtype).itemsize
    side = tile_size + 2 * HALO
    pixels = min(info.width, side) * min(info.height, side)
    # Its other bands wait, as read and four times as float32, and have φ and its products in float64.
    waiting = pixels * (sample + 16) + pixels / 256 * int(entry.network["latent"]) * PHI_BYTES / 3
    gradients = REFINEMENT_MEMORY * entry.memory_bytes * pixels / 1e6 if steps else 0.0
    return gradients + TASK_BYTES + entry.memory_bytes * pixels / 1e6 + max(info.bands - 3, 0) * waiting


def _scene_bytes(info: RasterInfo, tile_size: int, entry: WeightsEntry) -> float:
    """Memory of what waits or is kept of a scene, with files on both ends (``docs/memory.md``)."""
    sample = np.dtype(info.dtype).itemsize
    row = min(tile_size, info.height) * info.width
    groups = -(-info.bands // 3)
    # Two rows of tiles wait for their neighbours: a latent sample of two bytes for 16 × 16 pixels.
    latents = 2 * row * groups * int(entry.network["latent"]) * 2 / 256
    # Mask and alpha band: the strip at hand and the one before it, packed and unpacked.
    planes = 4 * row * (info.has_mask / 8 + info.has_alpha * sample)
    pixel = (info.bands + info.has_alpha) * sample + 1
    cache = min(block_cache(tile_size + _BLOCK_ROWS, info.width, pixel), info.pixels * pixel)
    # What stays while tiles come and go leaves holes in the heap of about its own size.
    return 2 * (latents + planes + cache)
