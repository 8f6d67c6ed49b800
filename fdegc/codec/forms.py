"""Forms in which JPEG 2000 codes a tile: levels of wavelets and components, and how a payload states them."""

from __future__ import annotations

from dataclasses import dataclass

from fdegc.coding import jpeg2000
from fdegc.coding.component_transform import ComponentTransform
from fdegc.errors import CorruptStream
from fdegc.format.kinds import UnitKind

#: Kinds that are packets of JPEG 2000.
PACKETS = (UnitKind.PACKETS, UnitKind.DEEP_PACKETS, UnitKind.COMPONENTS, UnitKind.STATED)
#: Parts of the byte that states a form of packets.
_LEVELS, _MIXED, _TRANSFORMED = 0x07, 0x08, 0x10


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How JPEG 2000 is to code a tile: with how many levels of the wavelets, and which components.

    Attributes
    ----------
    levels : int or None
        As for :func:`~fdegc.coding.jpeg2000.encode_packets`.
    transform : ComponentTransform or None
        That makes the components; None for a component a band.
    colours : bool
        Whether three bands without a transform are mixed by JPEG 2000's own.
    """

    levels: int | None = None
    transform: ComponentTransform | None = None
    colours: bool = True

    def said(self, bands: int, height: int, width: int) -> tuple[UnitKind, bytes]:
        """Kind of packets of the form, of a tile of such a shape, and what stands in front of them."""
        usual, every = jpeg2000.usual_levels(height, width), jpeg2000.all_levels(height, width)
        levels = usual if self.levels is None else self.levels
        deep, known = levels != usual, levels in (usual, every)
        if self.transform is not None:
            if known:
                return UnitKind.COMPONENTS, self.transform.pack(deep)
            return UnitKind.STATED, bytes([levels | _TRANSFORMED]) + self.transform.pack(False)
        if known and (self.colours or bands != 3):
            return UnitKind.DEEP_PACKETS if deep else UnitKind.PACKETS, b""
        return UnitKind.STATED, bytes([levels | _MIXED * (self.colours and bands == 3)])

    @staticmethod
    def of(kind: int, payload: bytes, bands: int, height: int, width: int) -> tuple[Form, bytes]:
        """Form of a payload of packets, and the packets.

        Raises
        ------
        CorruptStream
            If it states what cannot be.
        """
        usual, every = jpeg2000.usual_levels(height, width), jpeg2000.all_levels(height, width)
        if kind in (UnitKind.PACKETS, UnitKind.DEEP_PACKETS):
            return Form(every if kind == UnitKind.DEEP_PACKETS else usual), payload
        if kind == UnitKind.COMPONENTS:
            transform, deep, packets = ComponentTransform.unpack(payload, bands)
            return Form(every if deep else usual, transform), packets
        levels, mixed, transformed = _stated(payload)
        if levels > every or (mixed and (transformed or bands != 3)):
            raise CorruptStream("A tile states a form of JPEG 2000 that it cannot have.")
        if not transformed:
            return Form(levels, colours=mixed), payload[1:]
        transform, deep, packets = ComponentTransform.unpack(payload[1:], bands)
        if deep:
            raise CorruptStream("A tile states its levels of wavelets twice.")
        return Form(levels, transform), packets


def _stated(payload: bytes) -> tuple[int, bool, bool]:
    """Levels, and whether bands are mixed and transformed, of the first byte of packets that say so."""
    if not payload or payload[0] > (_LEVELS | _MIXED | _TRANSFORMED):
        raise CorruptStream("A tile states no form of JPEG 2000 that this program knows.")
    return payload[0] & _LEVELS, bool(payload[0] & _MIXED), bool(payload[0] & _TRANSFORMED)


#: A component a band.
BANDS = Form()
