"""Where processes may listen."""

import socket

from gluon_deeprnn.distributed.addresses import (
    Root,
    as_root,
    check_free,
    check_not_public,
    free_root,
    own_address,
)
import pytest


@pytest.mark.parametrize("text", ["", "node1", "9091", "node1:", "node1:http", "node1:80", "node1:65535", "a:b:1234",
                                  "[::1]:9091", "127.0.0.1:123456"])
def test_a_root_without_a_usable_port_is_refused(text):
    with pytest.raises(ValueError, match=r"^root must be HOST:PORT with a port from 1024 to 65534; got "):
        as_root(text)


def test_a_host_without_an_address_is_refused():
    with pytest.raises(ValueError, match=r"^root must be a host with an IPv4 address; got 'no-such-host\.invalid': "):
        as_root("no-such-host.invalid:9091")
    with pytest.raises(ValueError, match=r"^root must be a host with an IPv4 address; got 'a\.\.b': not a name$"):
        as_root("a..b:9091")
    assert as_root("localhost:9091") == Root("127.0.0.1", 9091)


@pytest.mark.parametrize("address", [
    "8.8.8.8", "52.1.2.3", "0.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.0.9",
    "192.88.99.1", "198.20.0.1", "224.0.0.1", "239.255.255.255", "::", "2a00:1450:4001::1", "2606:4700::1111",
    "::ffff:8.8.8.8", "::ffff:0.0.0.0", "2002:808:808::1", "2001:0:4136:e378::1", "64:ff9b::808:808", "fec0::1",
    "ff02::1", "2001:db9::1"])
def test_an_address_of_the_internet_is_refused_unless_allowed(address):
    """All addresses of a machine at once too, those of groups, and those that lead to an IPv4 address."""
    with pytest.raises(ValueError, match=rf"^address must be one of a private network, since ps-lite has no passwords "
                                         rf"and no encryption; got '{address}' \(use a tunnel or a firewall; "):
        check_not_public(address, allowed=False)
    check_not_public(address, allowed=True)


@pytest.mark.parametrize("address", [
    "127.0.0.1", "127.255.255.254", "10.1.2.3", "192.168.0.7", "172.16.0.1", "172.31.255.254", "169.254.1.1",
    "100.64.0.1", "100.100.100.100", "100.127.255.254", "198.18.0.1", "198.19.255.254", "192.0.0.2", "240.0.0.1",
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "::1", "fc00::1", "fd12:3456:789a::1", "fe80::1", "fe80::1%eth0",
    "2001:db8::1", "::ffff:10.1.2.3", "::ffff:100.64.0.1"])
def test_an_address_that_the_internet_does_not_reach_is_allowed(address):
    check_not_public(address, allowed=False)


@pytest.mark.parametrize("which", [0, 1])
def test_a_root_with_a_port_that_is_taken_is_refused(which):
    root = free_root()
    check_free(root)
    with socket.socket() as taken:
        taken.bind((root.host, root.port + which))
        taken.listen()
        with pytest.raises(ValueError, match=rf"^root must be an address of this machine with two free ports; got port "
                                             rf"{root.port + which} of 127\.0\.0\.1: Address already in use$"):
            check_free(root)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ValueError, match=r"^root must be .* two free ports; got port 9091 of 192\.0\.2\.1: Cannot"):
        check_free(Root("192.0.2.1", 9091))


def test_the_own_address_is_the_one_that_reaches_the_root():
    assert own_address(free_root()) == "127.0.0.1"
