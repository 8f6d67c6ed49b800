"""The ``.fdegc`` file: bytes to header, index, payloads and blocks, and back (``docs/format.md``)."""

from fdegc.container.layout import END_MAGIC, MAGIC, MAX_BLOCKS, IndexEntry, UnitIndex, file_size
from fdegc.container.reader import ContainerReader
from fdegc.container.writer import ContainerWriter, part_path

__all__ = [
    "END_MAGIC",
    "MAGIC",
    "MAX_BLOCKS",
    "ContainerReader",
    "ContainerWriter",
    "IndexEntry",
    "UnitIndex",
    "file_size",
    "part_path",
]
