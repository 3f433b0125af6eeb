"""Bounds the open connections of one worker, and chooses which one to close for a new one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol

RESERVED: Final = 64  # connections beyond the bound, on which only probes, metrics and administration are answered


class Connection(Protocol):
    """An open connection."""

    def evict(self) -> None:
        """Close the connection, which waits for a request, so that another one can be opened."""


class Admitted(Enum):
    """Which requests of a new connection are answered."""

    ALL = auto()
    PROBES = auto()
    NOTHING = auto()


@dataclass(slots=True, eq=False)
class _Peer:
    """The connections of one IP address; `waiting` are those that wait for a request, the longest wait first."""

    open: set[Connection] = field(default_factory=set)
    waiting: OrderedDict[Connection, None] = field(default_factory=OrderedDict)


class Connections:
    """Bounds the number of connections, in total (`most`) and of each peer (`most_each`); a peer is an IP address.

    A connection waits from its start, or its last response, until the head of a request is complete.

    At a bound, the connection that has waited longest is closed for a new one: at `most_each` a connection of the same
    peer, at `most` a connection of the peer with the most connections.

    If no such connection waits, the new connection is refused. Beyond `most`, RESERVED more are accepted for probes.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._peers: dict[str, _Peer] = {}
        self._open = 0

    def __len__(self) -> int:
        """Return the number of open connections."""
        return self._open

    @property
    def waiting(self) -> int:
        """The number of connections that wait for a request."""
        return sum(len(peer.waiting) for peer in self._peers.values())

    def add(self, connection: Connection, address: str) -> Admitted:
        """Add a new connection, unless it is refused; return which of its requests are answered."""
        admitted = Admitted.ALL
        peer = self._peers.get(address)
        if peer is not None and len(peer.open) >= self._most_each and not self._evict(address):
            return Admitted.NOTHING
        if self._open >= self._most:
            self._evict(self._largest())
            if self._open >= self._most + RESERVED:
                return Admitted.NOTHING
            if self._open >= self._most:  # the reserve is in use, even if one of its connections was closed
                admitted = Admitted.PROBES
        self._peers.setdefault(address, _Peer()).open.add(connection)
        self._open += 1
        self.mark_waiting(connection, address)
        return admitted

    def remove(self, connection: Connection, address: str) -> None:
        """Remove a connection; do nothing if it was removed before."""
        peer = self._peers.get(address)
        if peer is not None and connection in peer.open:
            self._open -= 1
            peer.open.remove(connection)
            peer.waiting.pop(connection, None)
            if not peer.open:
                del self._peers[address]

    def mark_waiting(self, connection: Connection, address: str) -> None:
        """Note that an open connection waits for a request from now on."""
        if (peer := self._peers.get(address)) is not None and connection in peer.open:
            peer.waiting[connection] = None

    def mark_busy(self, connection: Connection, address: str) -> None:
        """Note that an open connection has a request from now on."""
        if (peer := self._peers.get(address)) is not None:
            peer.waiting.pop(connection, None)

    def _largest(self) -> str | None:
        """Return the address with most connections among those with a waiting one; None if no connection waits."""
        waiting = (address for address, peer in self._peers.items() if peer.waiting)
        return max(waiting, key=lambda address: len(self._peers[address].open), default=None)

    def _evict(self, address: str | None) -> bool:
        """Close the connection of a peer that has waited longest; return False if none waits."""
        if address is None or not (waiting := self._peers[address].waiting):
            return False
        connection = next(iter(waiting))
        self.remove(connection, address)
        connection.evict()
        return True
