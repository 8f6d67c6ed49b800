"""The header of a ``.fdegc`` file (``docs/format.md``)."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, replace

from fdegc.errors import CorruptStream, UnsupportedStream
from fdegc.raster_info import DTYPES, MAX_BANDS, MAX_PIXELS, MAX_SIDE
from fdegc.types import STRIDE, BandMapping, Components, Correction

#: Version that is written, and those that are read.
VERSION = 2
READABLE = (1, 2)
#: Required features this version knows, by bit; a set bit that is not here is refused.
KNOWN_FLAGS: dict[int, str] = {
    0: "a correction of what the network gives",
    1: "ranges in single precision",
    2: "lossless planes coded by contexts",
    3: "outliers set apart",
}

#: The largest number that single precision holds.
_LARGEST = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]

#: Units of a file: its index, 16 or 17 bytes a unit, has to fit in memory.
MAX_UNITS = 1 << 23
#: Bytes of one unit's payload and of one block's data.
MAX_PAYLOAD = 64 << 20
MAX_BLOCK = 256 << 20

#: Version, required flags, bytes of the header that follows.
PREFIX = struct.Struct("<BHH")
_SIZES = struct.Struct("<IIH")
_FIXED = struct.Struct("<BBBH8sB")
_MAPPING, _NARROW_MAPPING = struct.Struct("<dd"), struct.Struct("<ff")
_BOUND = struct.Struct("<d")
# What follows the name in version 2.
_HAS_MAPPING, _HAS_COMPONENTS, _HAS_BOUND, _WHOLE = 1, 2, 4, 8
# A required feature, as who does not know it would decode other pixels.
_CORRECTED = 1 << 0
# Offsets and scales are as single precision holds them, and stored so.
_NARROW = 1 << 1
# Strips of lossless planes may be coded by contexts.
_CONTEXTS = 1 << 2
# Who does not know of outliers would take what is coded in their places for samples.
_OUTLIERS = 1 << 3
# The byte of the sample type also says which lossless planes there must be.
_MASK_BIT, _ALPHA_BIT, _BANDS_BIT, _DTYPE_MASK = 0x10, 0x20, 0x40, 0x0F
# The name is shown to users and looked up: no control characters, no separators of paths.
_PROFILE = re.compile(r"[A-Za-z0-9._-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """Header of a stream: sizes, sample type, quality, weights and mapping.

    Attributes
    ----------
    width, height : int
        Pixels, 1 to 1 000 000 each.
    bands : int
        Coded bands, 1 to 64.
    dtype : str
        One of :data:`DTYPES`.
    tile_size : int
        Pixels, a multiple of 64, 64 to 2048.
    halo : int
        Pixels of ring that transforms see, a multiple of 16.
    quality_steps : int
        Quality × 256, 256 to 1536.
    weights_hash : bytes
        First 8 bytes of the weights file's SHA-256.
    profile : str
        Name of the network's profile: ASCII letters, digits, ``.``, ``_`` and ``-``.
    mapping : tuple of BandMapping
        One a band; empty for uint8 that keeps all its values (offset 0, scale 255).
    has_mask, has_alpha, has_band_masks : bool
        Whether a lossless validity mask, alpha band or masks of single bands belong to the file, in a
        block.
    version : int
        Of the format.
    components : Components or None
        How bands enter the network; None for three at a time as they are, the last group repeating its
        last band (always in version 1).
    bound : float or None
        Largest error of a valid sample that the file promises, in the samples' units; 0: lossless; None:
        none.
    whole : bool
        Whether a tile is one unit with all its bands, as where no tile has latents.
    correction : Correction or None
        Of what the network gives for every group.
    has_outliers : bool
        Whether samples outside of the mapping, as they were, belong to the file, in a block.
    wide : bool
        Whether the mapping is stored in double precision though single would hold it, as earlier builds
        did: a file that is read is packed again as it is.
    contexts : bool
        Whether lossless planes may have strips that are coded by contexts.
    """

    width: int
    height: int
    bands: int
    dtype: str
    tile_size: int
    halo: int
    quality_steps: int
    weights_hash: bytes
    profile: str
    mapping: tuple[BandMapping, ...] = ()
    has_mask: bool = False
    has_alpha: bool = False
    has_band_masks: bool = False
    version: int = VERSION
    components: Components | None = None
    bound: float | None = None
    whole: bool = False
    correction: Correction | None = None
    has_outliers: bool = False
    wide: bool = False
    contexts: bool = False

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return -(-self.width // self.tile_size) * -(-self.height // self.tile_size)

    @property
    def groups(self) -> int:
        """Number of units of a tile: groups of bands as they enter the network, or one with all bands."""
        if self.whole:
            return 1
        return -(-self.bands // 3) if self.components is None else self.components.groups

    @property
    def units(self) -> int:
        """Number of coded units."""
        return self.tiles * self.groups

    @property
    def without_network(self) -> StreamHeader:
        """The same of a stream in which no tile has latents: nothing of it is for a network."""
        return replace(self, weights_hash=bytes(8), profile="", components=None, correction=None, whole=True)

    def pack(self) -> bytes:
        """Version, flags, length and header, as stored."""
        name = self.profile.encode("ascii")
        sizes = (self.width, self.height, self.bands)
        body = _SIZES.pack(*sizes) if self.version == 1 else b"".join(map(pack_number, sizes))
        body += _FIXED.pack(
            DTYPES.index(self.dtype)
            | self.has_mask * _MASK_BIT
            | self.has_alpha * _ALPHA_BIT
            | self.has_band_masks * _BANDS_BIT,
            self.tile_size // 64,
            self.halo // STRIDE,
            self.quality_steps,
            self.weights_hash,
            len(name),
        )
        body += name
        narrow = self._narrow
        entry = _NARROW_MAPPING if narrow else _MAPPING
        mapping = b"".join(entry.pack(m.offset, m.scale) for m in self.mapping)
        if self.version == 1:
            body += mapping
        else:
            body += bytes([self._form]) + mapping
            if self.components is not None:
                body += pack_number(self.components.groups) + struct.pack(
                    f"<{self.bands * (1 + 3 * self.components.groups)}f",
                    *self.components.means,
                    *(number for row in self.components.matrix for number in row),
                )
            body += b"" if self.bound is None else _BOUND.pack(self.bound)
            body += b"" if self.correction is None else pack_correction(self.correction)
        flags = (self.correction is not None) * _CORRECTED | narrow * _NARROW
        flags |= self.contexts * _CONTEXTS | self.has_outliers * _OUTLIERS
        return PREFIX.pack(self.version, flags, len(body)) + body

    @property
    def _narrow(self) -> bool:
        """Whether the mapping is stored in single precision: it holds it as it is."""
        if self.wide:
            return False
        numbers = [number for entry in self.mapping for number in (entry.offset, entry.scale)]
        most = max(map(abs, numbers), default=math.inf)
        return self.version > 1 and most <= _LARGEST and all(fits_single(number) for number in numbers)

    @property
    def _form(self) -> int:
        """Byte that says what follows it."""
        return (
            bool(self.mapping) * _HAS_MAPPING
            | (self.components is not None) * _HAS_COMPONENTS
            | (self.bound is not None) * _HAS_BOUND
            | self.whole * _WHOLE
        )

    @staticmethod
    def unpack(data: bytes) -> StreamHeader:
        """Header that :meth:`pack` wrote, parsed.

        Raises
        ------
        CorruptStream
            If a value lies outside the limits of the format, or bytes are missing.
        UnsupportedStream
            If the file needs a newer version.
        """
        if len(data) < PREFIX.size:
            raise CorruptStream("The file's header is malformed.")
        version, flags, length = PREFIX.unpack_from(data)
        if len(data) != PREFIX.size + length:
            raise CorruptStream("The file's header is malformed.")
        if version not in READABLE:
            raise UnsupportedStream(
                f"This file is of format version {version}, this program reads versions up to {VERSION}: "
                "update FDEGC."
            )
        unknown = [bit for bit in range(16) if flags >> bit & 1 and bit not in KNOWN_FLAGS]
        if unknown:
            raise UnsupportedStream(
                f"This file needs a feature this program does not know (flag {unknown[0]}). Update FDEGC."
            )
        try:
            header = _parse(version, flags, data[PREFIX.size :])
        except (struct.error, UnicodeDecodeError, IndexError, ValueError) as error:
            raise CorruptStream("The file's header is malformed.") from error
        if header is None:
            raise CorruptStream("The file's header holds values outside the limits of the format.")
        if header.units > MAX_UNITS:
            raise CorruptStream("The file's header claims more tiles than the format allows.")
        return replace(header, wide=header._narrow and not flags & _NARROW)


def _parse(version: int, flags: int, body: bytes) -> StreamHeader | None:
    """Header of a version with some features; None if a value lies outside of its limits.

    Raises
    ------
    struct.error, UnicodeDecodeError, IndexError, ValueError
        If it is malformed.
    """
    if version == 1:
        width, height, bands = _SIZES.unpack_from(body)
        at = _SIZES.size
    else:
        (width, _), (height, _), (bands, at) = _numbers(body, 3)
    dtype, tile, halo, steps, weights, name_length = _FIXED.unpack_from(body, at)
    at += _FIXED.size
    name = body[at : at + name_length].decode("ascii")
    at += name_length
    if not (
        1 <= width <= MAX_SIDE
        and 1 <= height <= MAX_SIDE
        and width * height <= MAX_PIXELS
        and 1 <= bands <= MAX_BANDS
        and dtype & _DTYPE_MASK < len(DTYPES)
        and dtype < 2 * _BANDS_BIT
        and 1 <= tile <= 32
        and halo <= 4 * tile
        and 256 <= steps <= 1536
        and len(name) == name_length
        and _PROFILE.fullmatch(name)
    ):
        return None
    components, bound, correction, form = None, None, None, 0
    if version == 1:
        mapping = tuple(BandMapping(*pair) for pair in _MAPPING.iter_unpack(body[at:]))
        at = len(body)
    else:
        form = body[at]
        at += 1
        count = bands if form & _HAS_MAPPING else 0
        entry = _NARROW_MAPPING if flags & _NARROW else _MAPPING
        pairs = body[at : at + count * entry.size]
        mapping = tuple(BandMapping(*pair) for pair in entry.iter_unpack(pairs))
        at += len(pairs)
        if form & _HAS_COMPONENTS:
            components, at = _components(body, at, bands)
        if form & _HAS_BOUND:
            (bound,) = _BOUND.unpack_from(body, at)
            at += _BOUND.size
        if flags & _CORRECTED:
            groups = -(-bands // 3) if components is None else components.groups
            correction, at = _correction(body, at, 0 if form & _WHOLE else groups)
    sound = (
        at == len(body)
        and (correction is not None) == bool(flags & _CORRECTED)
        and not (flags & _NARROW and (version == 1 or not mapping))
        and not (flags & _CONTEXTS and (version == 1 or not dtype & (_MASK_BIT | _ALPHA_BIT | _BANDS_BIT)))
        and not (flags & _OUTLIERS and version == 1)
        and form < 2 * _WHOLE
        and (len(mapping) == bands or (not mapping and dtype & _DTYPE_MASK == 0))
        and all(math.isfinite(m.offset) and math.isfinite(m.scale) for m in mapping)
        and (bound is None or (math.isfinite(bound) and bound >= 0))
    )
    if not sound:
        return None
    return StreamHeader(
        width=width,
        height=height,
        bands=bands,
        dtype=DTYPES[dtype & _DTYPE_MASK],
        tile_size=tile * 64,
        halo=halo * STRIDE,
        quality_steps=steps,
        weights_hash=weights,
        profile=name,
        mapping=mapping,
        has_mask=bool(dtype & _MASK_BIT),
        has_alpha=bool(dtype & _ALPHA_BIT),
        has_band_masks=bool(dtype & _BANDS_BIT),
        version=version,
        components=components,
        bound=bound,
        whole=bool(form & _WHOLE),
        correction=correction,
        contexts=bool(flags & _CONTEXTS),
        has_outliers=bool(flags & _OUTLIERS),
    )


def _components(body: bytes, at: int, bands: int) -> tuple[Components, int]:
    groups, at = unpack_number(body, at)
    if not 1 <= groups <= MAX_BANDS:
        raise ValueError("a component transform of too many groups")
    numbers = struct.unpack_from(f"<{bands * (1 + 3 * groups)}f", body, at)
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a component transform that is not finite")
    rows = tuple(numbers[start : start + bands] for start in range(bands, len(numbers), bands))
    return Components(rows, numbers[:bands]), at + 4 * len(numbers)


def fits_single(number: float) -> bool:
    """Whether single precision holds a number that is not too large for it as it is."""
    found: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return found == number


def pack_correction(correction: Correction) -> bytes:
    """Correction as the header stores it: of each group whether it has one, and its numbers."""
    out = b""
    for steps in correction.groups:
        out += pack_number(bool(steps))
        # 0, −1, 1, −2 … as 0, 1, 2, 3 …, since most are small.
        out += b"".join(pack_number(2 * step if step >= 0 else -2 * step - 1) for step in steps)
    return out


def _correction(body: bytes, at: int, groups: int) -> tuple[Correction, int]:
    if not groups:
        raise ValueError("a correction of nothing")
    found = []
    for _ in range(groups):
        has, at = unpack_number(body, at)
        if has > 1:
            raise ValueError("a correction of an unknown kind")
        steps = []
        for _ in range(has * Correction.NUMBERS):
            number, at = unpack_number(body, at)
            steps.append(-(number + 1) // 2 if number % 2 else number // 2)
        if any(abs(step) > Correction.LIMIT for step in steps):
            raise ValueError("a correction of numbers that are too large")
        found.append(tuple(steps))
    return Correction(tuple(found)), at


def pack_number(value: int) -> bytes:
    """Unsigned integer by seven bits a byte, lowest first; the highest bit says that more follow (LEB128)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def unpack_number(data: bytes, at: int) -> tuple[int, int]:
    """Number that :func:`pack_number` wrote at a place, and the place behind it.

    Raises
    ------
    IndexError
        If it does not end.
    ValueError
        If it is longer than it must be, or above 2⁶³.
    """
    value = 0
    for count in range(9):
        byte = data[at + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if count and not byte:
                raise ValueError("a number that is longer than it must be")
            return value, at + count + 1
    raise ValueError("a number that is too large")


def _numbers(data: bytes, count: int) -> list[tuple[int, int]]:
    """The first numbers of some bytes, each with the place behind it."""
    found: list[tuple[int, int]] = []
    at = 0
    for _ in range(count):
        value, at = unpack_number(data, at)
        found.append((value, at))
    return found
