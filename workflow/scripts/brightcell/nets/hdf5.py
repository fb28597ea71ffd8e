"""Read float32 arrays from an HDF5 file as Keras writes it, without libhdf5.

libhdf5 crashes, or fills the memory, on files that are made for it. This reader knows the one form in which h5py writes
model.weights.h5, and wrote Keras' legacy files: superblock 0, groups as symbol tables, object headers 1, arrays of little-endian float32 in one piece.
Every address and size is checked against the file; anything else is refused. The form is specified in "HDF5 File Format
Specification Version 3.0", The HDF Group.
"""

import math
import struct

import numpy as np

from brightcell.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FLOAT32 = bytes.fromhex("11201f00040000000000200017080017" + "7f000000")
MOST_BLOCKS = 100_000  # headers, nodes and tables that are read in all
LARGEST_BLOCK = 2**20
MOST_DIMENSIONS = 8
DATASPACE, DATATYPE, EXTERNAL, LAYOUT, FILTERS, CONTINUATION, SYMBOLS = (
    0x01,
    0x03,
    0x07,
    0x08,
    0x0B,
    0x10,
    0x11,
)


class Damaged(InputError):
    """The file is not what Keras writes."""


class Weights:
    """The arrays in the bytes of a model.weights.h5, by their paths."""

    def __init__(self, content: bytes):
        self.content = content
        self.blocks = 0
        self.known: dict[int, dict[str, int]] = {}
        if (
            content[:8] != SIGNATURE
            or content[8:16] != bytes((0, 0, 0, 0, 0, 8, 8, 0))
            or self._number(24) != 0
        ):
            raise Damaged("model.weights.h5 is not an HDF5 file as Keras writes it.")
        self.root = self._number(64)

    def array(self, path: str) -> np.ndarray | None:
        """Return the array at a path such as `layers/conv2d/vars/0`; None if there is none.

        Raises Damaged if something else is there.
        """
        address = self._find(path)
        if address is None:
            return None
        messages = self._messages(address)
        if EXTERNAL in messages or FILTERS in messages or not {DATASPACE, DATATYPE, LAYOUT} <= set(messages):
            raise Damaged(f"model.weights.h5: {path} is not a plain array.")
        if messages[DATATYPE][:20] != FLOAT32:
            raise Damaged(f"model.weights.h5: {path} does not hold float32.")
        shape = self._shape(messages[DATASPACE], path)
        layout = messages[LAYOUT]
        if len(layout) < 18 or layout[:2] != b"\x03\x01":
            raise Damaged(f"model.weights.h5: {path} is not stored in one piece.")
        start, size = struct.unpack_from("<QQ", layout, 2)
        if size != 4 * math.prod(shape):
            raise Damaged(
                f"model.weights.h5: {path} has {size} bytes stored, not those of the shape {shape}."
            )
        self._check(start, size)
        return np.frombuffer(self.content, "<f4", math.prod(shape), start).reshape(shape)

    def names(self, path: str) -> list[str]:
        """Return the names in the group at a path, "" being the root; none if there is no such group."""
        address = self._find(path)
        if address is None or SYMBOLS not in self._messages(address):
            return []
        return list(self._members(address))

    def _find(self, path: str) -> int | None:
        """Return the address of the header at a path, "" being the root; None if there is none."""
        address: int | None = self.root
        for part in filter(None, path.split("/")):
            address = self._members(address).get(part) if address is not None else None
        return address

    def _check(self, start: int, size: int) -> None:
        if start < 0 or start + size > len(self.content):
            raise Damaged("model.weights.h5 points beyond its end.")

    def _bytes(self, start: int, size: int) -> bytes:
        self._check(start, size)
        return self.content[start : start + size]

    def _number(self, start: int) -> int:
        return struct.unpack("<Q", self._bytes(start, 8))[0]

    def _block(self, start: int, size: int) -> bytes:
        """Return a block of the file's own structure; a file has a bounded number of them."""
        self.blocks += 1
        if self.blocks > MOST_BLOCKS or size >= LARGEST_BLOCK:
            raise Damaged("model.weights.h5 has too many or too large blocks.")
        return self._bytes(start, size)

    def _messages(self, address: int) -> dict[int, bytes]:
        """Return the messages of an object's header, the first of each type."""
        version, _, number, _, size = struct.unpack("<BBHII", self._block(address, 12))
        if version != 1:
            raise Damaged("model.weights.h5 has a header of another version.")
        messages: dict[int, bytes] = {}
        pieces = [(address + 16, size)]
        while pieces and number > 0:
            start, size = pieces.pop(0)
            block, place = self._block(start, size), 0
            while place + 8 <= len(block) and number > 0:
                kind, length, flags = struct.unpack_from("<HHB", block, place)
                data = block[place + 8 : place + 8 + length]
                if len(data) < length or flags & 2:
                    raise Damaged("model.weights.h5 has a damaged header.")
                if kind == CONTINUATION:
                    if length < 16:
                        raise Damaged("model.weights.h5 has a damaged header.")
                    pieces.append(struct.unpack_from("<QQ", data))
                messages.setdefault(kind, data)
                place += 8 + length
                number -= 1
        return messages

    @staticmethod
    def _shape(data: bytes, path: str) -> tuple[int, ...]:
        """Return the shape in a dataspace message."""
        version, rank = data[0] if data else 0, data[1] if len(data) > 1 else 0
        start = {1: 8, 2: 4}.get(version, 0)
        if not start or rank > MOST_DIMENSIONS or len(data) < start + 8 * rank:
            raise Damaged(f"model.weights.h5: {path} has no shape.")
        return struct.unpack_from(f"<{rank}Q", data, start)

    def _members(self, address: int) -> dict[str, int]:
        """Return the names in a group, and the addresses of their headers; links to elsewhere are left out."""
        if address in self.known:
            return self.known[address]
        table = self._messages(address).get(SYMBOLS, b"")
        if len(table) < 16:
            raise Damaged("model.weights.h5 has a group of another form.")
        tree, heap = struct.unpack_from("<QQ", table)
        head = self._block(heap, 32)
        if head[:4] != b"HEAP":
            raise Damaged("model.weights.h5 has a damaged group.")
        names_size, _, names_at = struct.unpack_from("<QQQ", head, 8)
        self._check(names_at, names_size)
        members: dict[str, int] = {}
        nodes = [tree]
        while nodes:
            node = nodes.pop()
            kind = self._block(node, 8)
            count = struct.unpack_from("<H", kind, 6)[0]
            if kind[:5] == b"TREE\0":
                children = self._block(node + 24, 8 + 16 * count)
                nodes += [struct.unpack_from("<Q", children, 8 + 16 * index)[0] for index in range(count)]
            elif kind[:5] == b"SNOD\x01":
                entries = self._block(node + 8, 40 * count)
                for index in range(count):
                    name_at, header, cached = struct.unpack_from("<QQI", entries, 40 * index)
                    if cached != 2 and name_at < names_size:  # 2: a soft link
                        members[self._name(names_at + name_at, names_at + names_size)] = header
            else:
                raise Damaged("model.weights.h5 has a damaged group.")
        self.known[address] = members
        return members

    def _name(self, start: int, end: int) -> str:
        return self.content[start : min(end, start + 256)].split(b"\0")[0].decode("ascii", "replace")
