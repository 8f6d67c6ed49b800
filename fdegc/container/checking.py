    def _verify_front(self) -> list[str]:
        front = front(self.header, self.entries.packed)
        what = "header and index at the front are damaged; their copy at the end serves"
        return self._compare(0, front, what)

    def _verify_payloads(self, tick: Callable[[], None] | None) -> list[str]:
        problems = []
        for unit, entry in enumerate(self.entries):
            if entry.offset + entry.length > self.size:
                last = len(self.entries) - 1
                problems.append(f"The file ends at byte {self.size}: units {unit} to {last} are missing.")
                break
            try:
                self.payload(unit)
            except CorruptStream as error:
                where = _span(entry.offset, entry.offset + entry.length)
                group = unit % self.header.groups
                problems.append(f"{where} (unit {unit}, band group {group}): {error}")
            if tick is not None:
                tick()
        return problems

    def _verify_blocks(self) -> list[str]:
        problems = []
        for place in self._block_places:
            mended = f"the head of block {place.name} is damaged; its copy at the end serves"
            problems += self._compare(place.offset - BLOCK.size, place.head, mended)
            if not self._sound(place):
                where = _span(place.offset, place.end)
                problems.append(f"{where}: the data of block {place.name} are damaged or missing.")
        if len({place.tag for place in self._block_places}) < len(self._block_places):
            problems.append("A block is there more than once.")
        end = self._block_places[-1].end if self._block_places else self.entries.end
        if self.chain_broken:
            problems.append(
                f"From byte {end} on blocks are damaged or missing; the file has {self.size} bytes."
            )
            return problems
        back = self._expected_back(end)
        problems += self._compare(end, back, "the copy of header, index and block heads is damaged")
        end += len(back)
        if self.size > end:
            problems.append(f"{_span(end, self.size)}: these do not belong to the file.")
        return problems

    def _expected_back(self, offset: int) -> bytes:
        heads = b"".join(place.head for place in self._block_places)
        return back(self.header, self.entries.packed, heads, offset)

    def _sound(self, place: BlockPlace) -> bool:
        """Whether a block's CRC is right, without holding all of it."""
        if not self._fits(place):
            return False
        self._file.seek(place.offset)
        crc, left = crc32(place.tag), place.length
        while left:
            data = self._take(min(left, _CHUNK))
            crc = crc32(data, crc)
            left -= len(data)
        return crc == place.crc

    def _compare(self, offset: int, expected: bytes, what: str) -> list[str]:
        """Say where the file differs from what must be at an offset."""
        self._file.seek(offset)
        found = self._file.read(len(expected))
        if found == expected:
            return []
        if len(found) < len(expected):
            return [f"The file ends at byte {self.size}, {len(expected) - len(found)} bytes early: {what}."]
        different = np.flatnonzero(np.frombuffer(found, np.uint8) != np.frombuffer(expected, np.uint8))
        return [f"{_span(offset + int(different[0]), offset + int(different[-1]) + 1)}: {what}."]


def _span(start: int, end: int) -> str:
    return f"Byte {start}" if end - start == 1 else f"Bytes {start} to {end - 1}"
