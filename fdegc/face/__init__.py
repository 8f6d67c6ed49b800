"""What ``import fdegc`` offers: files and arrays to ``.fdegc`` files and back, in one call each.

For many files in a row make one :class:`~fdegc.codec.Codec` and use that: it reads the weights once.
"""

from fdegc.face.compressing import compress
from fdegc.face.decompressing import decompress
from fdegc.face.opened import FdegcFile, info, open

__all__ = ["FdegcFile", "compress", "decompress", "info", "open"]
