"""Which port a local server may listen on.

Used by whatever starts a server on this machine. It knows nothing of what is
served.
"""

import socket

from civicml.errors import CivicmlError

LOOPBACK = "127.0.0.1"
_TRIES = 100


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether nothing listens on `port` of `host` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still being closed counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True


def choose(named: int | None, first: int, host: str = LOOPBACK, avoid: int | None = None) -> int:
    """The port to use: the one the user named, or the next free one from `first` on.

    Args:
        named: a port the user asked for; it is this one or none.
        first: where to begin looking when none was named.
        host: the interface to listen on.
        avoid: a port that is free but already promised to another server.

    Raises:
        CivicmlError: the named port is taken, or no port near `first` is free.
    """
    if named is not None:
        if named == avoid:
            raise CivicmlError(f"Port {named} was asked for twice; name two different ports.")
        if not is_free(named, host):
            raise CivicmlError(
                f"Port {named} on {host} cannot be used: something else is listening there. "
                "Name another port, or none to have a free one chosen."
            )
        return named
    for port in range(first, min(first + _TRIES, 65_536)):
        if port != avoid and is_free(port, host):
            return port
    raise CivicmlError(f"No free port was found on {host} from {first} on; name one that is free.")
