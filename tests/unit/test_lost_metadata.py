"""What a damaged file is said to lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdegc.format.header import StreamHeader
from fdegc.format.info import INDISPENSABLE, lost_metadata
from fdegc.format.metadata import ALPHA, MASK
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter


@pytest.mark.parametrize(("tag", "words"), [(MASK, "validity mask"), (ALPHA, "alpha band")])
def test_a_file_that_ends_early_names_what_it_cannot_be_decoded_without(
    tmp_path: Path, tag: bytes, words: str
) -> None:
    path = tmp_path / "a.fdegc"
    header = StreamHeader(
        100, 64, 3, "uint8", 64, 16, 896, bytes(8), "lite", has_mask=tag == MASK, has_alpha=tag == ALPHA
    )
    with ContainerWriter(path, header) as writer:
        for unit in range(header.units):
            writer.add(b"payload %d" % unit)
        writer.add_block(tag, bytes(50))
        writer.commit()
    with ContainerReader(path) as reader:
        assert lost_metadata(reader) == ()
    content = path.read_bytes()
    path.write_bytes(content[: content.index(tag)])
    with ContainerReader(path) as reader:
        assert lost_metadata(reader) == ("everything after a damaged place", words)
    assert words in INDISPENSABLE
