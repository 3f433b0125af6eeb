"""The open connections of one worker: how many there may be, and which one is closed to make room for another."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol

RESERVED: Final = 64  # connections beyond the bound, on which only probes, metrics and administration are answered


class Connection(Protocol):
    """An open connection."""

    def evict(self) -> None:
        """Close the connection, which waits for a request."""


class Admitted(Enum):
    """What a new connection may do."""

    ALL = auto()
    PROBES = auto()
    NOTHING = auto()


@dataclass(slots=True, eq=False)
class _Peer:
    """The connections of one IP address; those that wait for a request, the longest wait first."""

    open: set[Connection] = field(default_factory=set)
    waiting: OrderedDict[Connection, None] = field(default_factory=OrderedDict)


class Connections:
    """Bounds the number of connections, in all (`most`) and of each peer (`most_each`); a peer is an IP address.

    A connection waits from its start, or its last response, until the head of a request is complete. Beyond a bound, a
    waiting connection is closed for a new one: one of the same peer beyond `most_each`, else one of the peer that has
    most connections, so that a peer that opens many closes its own. If none waits, a new connection is refused; beyond
    `most`, up to RESERVED are accepted for probes.
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

    def enter(self, connection: Connection, address: str) -> Admitted:
        """Add a new connection, unless nothing is admitted."""
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
        self.wait(connection, address)
        return admitted

    def leave(self, connection: Connection, address: str) -> None:
        """Remove a connection, if it is there."""
        peer = self._peers.get(address)
        if peer is not None and connection in peer.open:
            self._open -= 1
            peer.open.remove(connection)
            peer.waiting.pop(connection, None)
            if not peer.open:
                del self._peers[address]

    def wait(self, connection: Connection, address: str) -> None:
        """Note that an open connection waits for a request from now on."""
        if (peer := self._peers.get(address)) is not None and connection in peer.open:
            peer.waiting[connection] = None

    def work(self, connection: Connection, address: str) -> None:
        """Note that a connection waits no more."""
        if (peer := self._peers.get(address)) is not None:
            peer.waiting.pop(connection, None)

    def _largest(self) -> str | None:
        """Return the address with the most connections among those with a waiting one, None without any."""
        waiting = (address for address, peer in self._peers.items() if peer.waiting)
        return max(waiting, key=lambda address: len(self._peers[address].open), default=None)

    def _evict(self, address: str | None) -> bool:
        """Close the connection of a peer that has waited longest; return whether there was one."""
        if address is None or not (waiting := self._peers[address].waiting):
            return False
        connection = next(iter(waiting))
        self.leave(connection, address)
        connection.evict()
        return True
