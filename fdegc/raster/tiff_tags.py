"""Directories of a TIFF, of which GDAL does not tell all: pictures, what they are, tags changed in place."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

#: Bytes of a value of each type (TIFF 6.0, section 2; BigTIFF), 0 for types that there are not.
_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
#: Counter of a directory, entry without its value, address: of TIFF and BigTIFF.
_FORMS = {False: ("H", "HHI", "I"), True: ("Q", "HHQ", "Q")}
_DOUBLE = 12
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
#: Directories that are looked at at most, and values of a tag.
_MOST_DIRECTORIES, _MOST_VALUES, _MOST_TAGS = 4096, 1024, 4096

SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_COUNTS = 273, 274, 277, 279
COLOR_MAP, SUBDIRECTORIES, EXTRA_SAMPLES, SAMPLE_FORMAT = 320, 330, 338, 339
DNG_VERSION = 50706
#: GDAL's name of the text that describes the picture.
DESCRIPTION = "TIFFTAG_IMAGEDESCRIPTION"

_REDUCED, _MASK = 1, 4
ASSOCIATED_ALPHA, ALPHA = 1, 2
MIN_IS_WHITE, MIN_IS_BLACK, COLOR_FILTER_ARRAY = 0, 1, 32803
#: Compressions that GDAL may have been built without, and how people call them.
RARE_CODECS = {
    6: "old-style JPEG", 22610: "JPEG XR", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000",
    34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34712: "JPEG 2000", 34887: "LERC",
    34892: "lossy JPEG", 34925: "LZMA", 34926: "Zstandard", 34927: "WebP", 34933: "PNG", 34934: "JPEG XR",
    50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
JPEG = 7


@dataclass(frozen=True, slots=True)
class Directory:
    """Directory of a TIFF: one of its pictures.

    Attributes
    ----------
    offset : int
        Where it begins in the file.
    inner : bool
        Whether another directory refers to it (a SubIFD), so that it is not in the file's main row.
    values : mapping
        Tag → its whole numbers; tags of other types are left out.
    places : mapping
        Tag → where its values are in the file, and the struct format of one.
    doubles : mapping
        Tag → its numbers of double precision.
    order : str
        Byte order of the file, as struct calls it.
    big : bool
        Whether it is a BigTIFF.
    """

    offset: int
    inner: bool
    values: Mapping[int, tuple[int, ...]]
    places: Mapping[int, tuple[int, str]]
    doubles: Mapping[int, tuple[float, ...]]
    order: str
    big: bool

    def number(self, tag: int, default: int = 0) -> int:
        """First value of a tag."""
        found = self.values.get(tag)
        return found[0] if found else default

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.number(WIDTH), self.number(HEIGHT)

    @property
    def is_reduced(self) -> bool:
        """Whether it says that it is a smaller copy of another picture."""
        return bool(self.number(SUBFILE_TYPE) & _REDUCED)

    @property
    def is_mask(self) -> bool:
        """Whether it says that it is the mask of another picture."""
        return bool(self.number(SUBFILE_TYPE) & _MASK)


def directories(path: Path) -> list[Directory]:
    """All directories of a TIFF, those in it by the file's main row, each followed by those inside of it.

    What is damaged ends the list: it is for GDAL to complain about.
    """
    found: list[Directory] = []
    with contextlib.suppress(OSError, struct.error, ValueError, IndexError), path.open("rb") as file:
        found.extend(_walk(file))
    return found


def first_directory(path: Path) -> Directory | None:
    """The first directory of a TIFF; None if there is none that can be read."""
    with contextlib.suppress(OSError, struct.error, ValueError, IndexError), path.open("rb") as file:
        return next(_walk(file), None)
    return None


def set_in_place(path: Path, tag: int, old: int, new: int) -> None:
    """Replacement of one value of a tag by another, in all directories of a file that have it."""
    found = directories(path)
    with path.open("r+b") as file:
        for directory in found:
            for index, value in enumerate(directory.values.get(tag, ())):
                if value == old:
                    place, form = directory.places[tag]
                    file.seek(place + index * struct.calcsize(form))
                    file.write(struct.pack(form, new))


def replace_tags(path: Path, directory: Directory, tags: Mapping[int, tuple[int, int, bytes]]) -> None:
    """Replacement or addition of tags of a file's first directory, which moves to the end of the file.

    Parameters
    ----------
    path : Path
    directory : Directory
        The first of the file.
    tags : mapping
        Tag → type, count and bytes of its values, more than fit into the directory itself.
    """
    order = directory.order
    counter, entry, pointer = (f"{order}{form}" for form in _FORMS[directory.big])
    start, step, room = _sizes(directory.big)
    with path.open("r+b") as file:
        file.seek(directory.offset)
        count = struct.unpack(counter, file.read(start))[0]
        data = file.read(count * step + room)
        pieces = [data[at : at + step] for at in range(0, count * step, step)]
        entries = {struct.unpack_from(f"{order}H", piece)[0]: piece for piece in pieces}
        for tag, (kind, number, values) in tags.items():
            entries[tag] = struct.pack(entry, tag, kind, number) + struct.pack(pointer, _append(file, values))
        body = struct.pack(counter, len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
        place = _append(file, body + data[count * step :])
        file.seek(8 if directory.big else 4)
        file.write(struct.pack(pointer, place))


def _append(file: BinaryIO, data: bytes) -> int:
    """Write at the end of a file, on an address that can be divided by 8."""
    file.seek(0, 2)
    file.write(bytes(-file.tell() % 8))
    place = file.tell()
    file.write(data)
    return place


def _sizes(big: bool) -> tuple[int, int, int]:
    """Bytes of a directory's counter, of an entry and of an address."""
    counter, entry, pointer = (struct.calcsize(f"<{form}") for form in _FORMS[big])
    return counter, entry + pointer, pointer


def _walk(file: BinaryIO) -> Iterator[Directory]:
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}[head[:2]] if head[:2] in (b"II", b"MM") else ""
    if not order:
        return
    big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    offset = struct.unpack_from(f"{order}{'Q' if big else 'I'}", head, 8 if big else 4)[0]
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(offset)
        directory, following = _read(file, order, big, offset, inner=False)
        yield directory
        for below in directory.values.get(SUBDIRECTORIES, ()):
            if below and below not in seen and len(seen) < _MOST_DIRECTORIES:
                seen.add(below)
                with contextlib.suppress(OSError, struct.error, ValueError, IndexError):
                    yield _read(file, order, big, below, inner=True)[0]
        offset = following


def _read(file: BinaryIO, order: str, big: bool, offset: int, *, inner: bool) -> tuple[Directory, int]:
    """Read a directory, and where the next one is."""
    counter, entry, pointer = _FORMS[big]
    start, step, room = _sizes(big)
    file.seek(offset)
    count = struct.unpack(f"{order}{counter}", file.read(start))[0]
    if count > _MOST_TAGS:
        raise ValueError("so many tags has no TIFF")
    data = file.read(count * step + room)
    values: dict[int, tuple[int, ...]] = {}
    places: dict[int, tuple[int, str]] = {}
    doubles: dict[int, tuple[float, ...]] = {}
    for index in range(count):
        tag, kind, number = struct.unpack_from(f"{order}{entry}", data, index * step)
        at = offset + start + index * step + step - room
        size = _SIZES[kind] * number if kind < len(_SIZES) else 0
        if size > room:
            at = struct.unpack_from(f"{order}{pointer}", data, (index + 1) * step - room)[0]
        letter = _INTEGERS.get(kind)
        if not 0 < number <= _MOST_VALUES or (letter is None and kind != _DOUBLE):
            continue
        file.seek(at)
        if letter is None:
            doubles[tag] = struct.unpack(f"{order}{number}d", file.read(size))
            continue
        values[tag] = struct.unpack(f"{order}{number}{letter}", file.read(size))
        places[tag] = at, f"{order}{letter}"
    following = struct.unpack_from(f"{order}{pointer}", data, count * step)[0]
    return Directory(offset, inner, values, places, doubles, order, big), following
