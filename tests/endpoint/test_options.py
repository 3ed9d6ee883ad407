"""Addresses that a client can use, and others."""

from __future__ import annotations

import pytest

from rr_refine.endpoint.options import ServerOptions
from rr_refine.errors import ConfigError


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/\x1b]0;x\x07v1",
        *(f"http://host/a{c}b" for c in "\n\t\0\x7f\x85\u2028\u202e\ud800"),
        *(f"http://ho{c}st/" for c in "\r\n\x1b\u200b\ud800"),
        "http://host/" + "a" * 70_000,
        "http://" + "a" * 64 + "/v1",
        *("http://a..b/v1", "http://.../v1", "http://256.1.1.1/v1", "http://[zz]/v1"),
        *("http://host:99999/v1", "http://host:-1/v1", "http://host:x/v1", "http://[::1/v1"),
    ],
)
def test_an_address_that_no_client_takes_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"critic\.base_url = .* is no URL") as caught:
        ServerOptions(base_url=address).checked_url("critic")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("address", "used"),
    [
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://xn--bcher-kva.example/v1", "https://xn--bcher-kva.example/v1"),
        ("http://my_host/a b", "http://my_host/a b"),
        ("http://host./v1", "http://host./v1"),
    ],
)
def test_others_are_used(address: str, used: str) -> None:
    assert ServerOptions(base_url=address).checked_url("critic") == used
