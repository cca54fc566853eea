"""Where the processes of a training listen: checked addresses and free ports."""

import ipaddress
import re
import socket
import time
from typing import NamedTuple

from gluon_deeprnn.errors import Advice, Argument, Described, InputError

_LOCAL = "127.0.0.1"
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, (
    "127.0.0.0/8", "::1/128",  # this machine
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",  # private networks
    "169.254.0.0/16", "fe80::/10",  # one link
    "100.64.0.0/10",  # behind the address translation of a provider, and of private networks such as Tailscale's
    "192.0.0.0/29", "198.18.0.0/15", "240.0.0.0/4",  # behind DS-Lite; for tests of networks; reserved
    "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")))  # for examples
"""The networks that the internet does not reach and in which a machine can have its address, by IANA's registries of
special-purpose addresses.  What `ipaddress` calls private or global depends on the version of Python."""


class Root(NamedTuple):
    """Where the scheduler listens: ps-lite on ``port``, and what watches the processes on the port after it.

    Attributes
    ----------
    host : str
        An IPv4 address.
    port : int
        The first of the two ports.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def as_root(text: str, patience: float = 0) -> Root:
    """The address in ``HOST:PORT``; for ``patience`` seconds the host's name may be unknown.

    Raises
    ------
    ValueError
        "root must be HOST:PORT with a port from 1024 to 65534; got 'node1'", and for a host that has no IPv4 address.

    Examples
    --------
    >>> from gluon_deeprnn.distributed.addresses import as_root
    >>> as_root('127.0.0.1:9091')
    Root(host='127.0.0.1', port=9091)
    """
    match = re.fullmatch(r"([^:\s]+):(\d{1,5})", text)
    if match is None or not 1024 <= int(match[2]) <= 65534:
        raise InputError("root", "HOST:PORT with a port from 1024 to 65534", text)
    return Root(_resolved("root", match[1], patience), int(match[2]))


def as_address(text: str) -> str:
    """The IPv4 address of a host."""
    return _resolved("address", text)


def _resolved(name: str, host: str, patience: float = 0) -> str:
    end = time.monotonic() + patience
    while True:
        try:
            return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
        except (OSError, UnicodeError) as error:
            if time.monotonic() >= end:
                reason = getattr(error, "strerror", None) or "not a name"
                raise InputError(name, "a host with an IPv4 address", Described(f"{host!r}: {reason}")) from None
        time.sleep(1)


def check_not_public(address: str, *, allowed: bool) -> None:
    """Check that an address to listen on cannot be reached from the internet, unless that is ``allowed``.

    Whoever can connect can read the text and the parameters and change them: ps-lite has neither passwords nor
    encryption.

    Raises
    ------
    ValueError
        "address must be one of a private network; got 8.8.8.8 (...)".
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if allowed or any(found in network for network in _NOT_PUBLIC):
        return
    raise InputError("address", "one of a private network, since ps-lite has no passwords and no encryption", address,
                     Advice("use a tunnel or a firewall; ", Argument("allow_public", in_python="allowed=True"),
                            " listens there anyway"))


def check_free(root: Root) -> None:
    """Check that nothing listens on the two ports of a root of this machine.

    Raises
    ------
    ValueError
        "root must be an address of this machine with two free ports; got port 9091 of 127.0.0.1: ...".
    """
    for port in (root.port, root.port + 1):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((root.host, port))
            except OSError as error:
                raise InputError("root", "an address of this machine with two free ports", Described(
                    f"port {port} of {root.host}: {error.strerror}")) from None


def free_root(host: str = _LOCAL) -> Root:
    """A root on this machine with two free ports."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind((host, 0))
            port = first.getsockname()[1]
            try:
                second.bind((host, port + 1))
            except OSError:
                continue
            return Root(host, port)
    raise InputError("root", "an address with two free ports", host)


def own_address(root: Root, patience: float = 0) -> str:
    """The address by which this machine reaches the root; for ``patience`` seconds there may be none.

    No packet is sent.
    """
    end = time.monotonic() + patience
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            try:
                trial.connect((root.host, root.port))
                return str(trial.getsockname()[0])
            except OSError as error:
                if time.monotonic() >= end:
                    raise InputError("root", "an address that this machine can reach", Described(
                        f"{root}: {error.strerror}")) from None
        time.sleep(1)
