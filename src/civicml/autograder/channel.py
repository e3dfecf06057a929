"""Frames on a socket between processes that do not trust each other: JSON, and bytes beside it.

A frame is a JSON message and a list of byte strings. Everything is bounded before it is read.
This module must not know what messages mean.
"""

import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

Buffer = bytes | bytearray | memoryview

_HEAD = struct.Struct("!IQ")
_MOST_PARTS = 100_000
_MOST_JSON = 64 << 20


class ChannelError(Exception):
    """The other side is gone, silent, or does not speak as agreed."""


class ClosedError(ChannelError):
    """The other side is gone."""


class LateError(ChannelError):
    """Nothing came in time."""


class MalformedError(ChannelError):
    """What came is not a frame, or is too large."""


class Channel:
    """One end of a connected pair."""

    def __init__(self, end: socket.socket, most_bytes: int = 512 << 20) -> None:
        self._end = end
        self._most = most_bytes

    def fileno(self) -> int:
        """For `select`."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def send(self, message: object, parts: Sequence[Buffer] = ()) -> None:
        """Send one frame.

        Raises:
            ClosedError: nobody is there to read it.
        """
        sizes = [memoryview(part).nbytes for part in parts]
        header = json.dumps([message, sizes], separators=(",", ":")).encode()
        try:
            self._end.settimeout(None)
            self._end.sendall(_HEAD.pack(len(header), sum(sizes)) + header)
            for part in parts:
                self._end.sendall(memoryview(part).cast("B") if memoryview(part).nbytes else b"")
        except OSError as error:
            raise ClosedError(str(error)) from error

    def receive(self, deadline: float | None = None) -> tuple[Any, list[memoryview]]:
        """Read one frame.

        Args:
            deadline: on the clock of `time.monotonic`; None waits for ever.

        Raises:
            ClosedError: the other side is gone.
            LateError: the deadline passed.
            MalformedError: not a frame.
        """
        length, size = _HEAD.unpack(self._exactly(_HEAD.size, deadline))
        if length > _MOST_JSON or size > self._most:
            raise MalformedError(f"a message of {length + size:,} bytes")
        header = self._exactly(length, deadline)
        body = memoryview(self._exactly(size, deadline)) if size else memoryview(b"")
        try:
            message, sizes = json.loads(bytes(header))
        except (ValueError, TypeError, RecursionError) as error:
            raise MalformedError("a message that is not JSON") from error
        good = isinstance(sizes, list) and len(sizes) <= _MOST_PARTS
        if not good or any(type(n) is not int or n < 0 for n in sizes) or sum(sizes) != size:
            raise MalformedError("parts that do not add up")
        parts, start = [], 0
        for number in sizes:
            parts.append(body[start : start + number])
            start += number
        return message, parts

    def _exactly(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray(size)
        view, got = memoryview(data), 0
        while got < size:
            try:
                if deadline is not None:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise LateError
                    self._end.settimeout(left)
                else:
                    self._end.settimeout(None)
                count = self._end.recv_into(view[got:])
            except TimeoutError:
                raise LateError from None
            except OSError as error:
                raise ClosedError(str(error)) from error
            if not count:
                raise ClosedError("the other side ended")
            got += count
        return data


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
