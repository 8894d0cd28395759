"""A compiled library without what only linkers and debuggers read: PyYAML's wheel is five sixths of that.

An ELF file has two tables of contents: of segments, which the loader maps, and of sections, which it never looks at
(System V ABI, "Object Files"). What lies behind the last segment goes, and with it the table of sections.
"""

import struct

ELF_64_LITTLE = b"\x7fELF\x02\x01"
SEGMENTS_AT = 32
"""Where the header says at which byte the table of segments begins; eight bytes on, the same of sections."""
SEGMENT_SIZE_AT = 54
"""How long a segment's entry is and how many there are; then the same of sections, and which of these holds names."""


def slim(content: bytes) -> bytes:
    """What the loader needs of `content`; `content` itself, where it is no library for a processor of 64 bits."""
    if not content.startswith(ELF_64_LITTLE):
        return content
    (table,) = struct.unpack_from("<Q", content, SEGMENTS_AT)
    size, number = struct.unpack_from("<HH", content, SEGMENT_SIZE_AT)
    entries = (struct.unpack_from("<IIQQQQ", content, table + size * place) for place in range(number))
    end = max((offset + length for _, _, offset, _, _, length in entries), default=len(content))
    slimmed = bytearray(content[: max(end, table + size * number)])
    struct.pack_into("<Q", slimmed, SEGMENTS_AT + 8, 0)
    struct.pack_into("<HHH", slimmed, SEGMENT_SIZE_AT + 4, 0, 0, 0)
    return bytes(slimmed)
