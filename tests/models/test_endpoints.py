from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiodoo import ConfigError
from aiodoo.models.endpoints import check_hosts, is_absolute, move, shown


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://crm.example/doo", "https://crm.example/doo"),
        ("https://crm.example:8443/doo/?", "https://crm.example:8443/doo/?..."),
        ("https://me:word@crm.example/doo?token=word", "https://crm.example/doo?..."),
        ("https://a@b@crm.example#word", "https://crm.example?..."),
        ("https://crm.example/" + "a" * 300, "https://crm.example/" + "a" * 177 + "..."),
        ("crm", "<not a URL>"),
        ("", "<not a URL>"),
        (None, "<NoneType>"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: object, text: str) -> None:
    """User-info, query and fragment may be secret; they are cut off, and so is what is endless."""
    assert shown(url) == text


@pytest.mark.parametrize(
    ("url", "hosts", "moved"),
    [
        ("https://a.example/x", {"a.example": "b.example"}, "https://b.example/x"),
        ("https://A.Example/x", {"a.EXAMPLE": "b.example"}, "https://b.example/x"),
        ("HTTPS://a.example/X?Y#Z", {"a.example": "b.example"}, "HTTPS://b.example/X?Y#Z"),
        ("https://a.example:8443/x", {"a.example": "b.example"}, "https://b.example:8443/x"),
        ("https://a.example:8443/x", {"a.example": "b.example:99"}, "https://b.example:99/x"),
        ("https://a.example:8443/x", {"a.example:8443": "b.example"}, "https://b.example/x"),
        ("https://a.example:8443/x", {"a.example:99": "b.example"}, "https://a.example:8443/x"),
        ("https://a.example/x", {"a.example:443": "b.example"}, "https://b.example/x"),
        ("http://a.example/x", {"a.example:443": "b.example"}, "http://a.example/x"),
        (
            "https://a.example:1/x",
            {"a.example": "b.example", "a.example:1": "c.example"},
            "https://c.example/x",
        ),
        ("https://u:p@a.example", {"a.example": "b.example"}, "https://u:p@b.example"),
        ("https://a.example@evil.example/", {"a.example": "b.example"}, "https://a.example@evil.example/"),
        ("https://sub.a.example/", {"a.example": "b.example"}, "https://sub.a.example/"),
        ("https://a.example.evil/", {"a.example": "b.example"}, "https://a.example.evil/"),
        (
            "https://x.example/?u=https://a.example/",
            {"a.example": "b.example"},
            "https://x.example/?u=https://a.example/",
        ),
        ("https://[2001:db8::1]:8443/x", {"[2001:DB8::1]": "b.example"}, "https://b.example:8443/x"),
        ("https://a.example/x", {"a.example": "[2001:db8::1]"}, "https://[2001:db8::1]/x"),
        ("https://a.example?x", {"a.example": "b.example", "b.example": "a.example"}, "https://b.example?x"),
        ("not a url", {"a.example": "b.example"}, "not a url"),
        ("https://a.example/x", {}, "https://a.example/x"),
    ],
)
def test_only_the_host_moves(url: str, hosts: dict[str, str], moved: str) -> None:
    """A host is replaced where it is the URL's host, in any case; everything else stays byte for byte."""
    assert move(url, check_hosts(hosts)) == moved


@given(
    rest=st.text().filter(lambda text: not text or text[0] in "/?#"),
    user=st.sampled_from(["", "u@", "u:p@", "@@"]),
)
def test_the_rest_of_a_url_is_never_touched(rest: str, user: str) -> None:
    """Whatever stands around the host stays, decoded and encoded by nobody."""
    assert (
        move(f"https://{user}a.example{rest}", {"a.example": "b.example"}) == f"https://{user}b.example{rest}"
    )


@pytest.mark.parametrize(
    "hosts",
    [
        {"https://a.example": "b.example"},
        {"a.example": "b.example/path"},
        {"a.example": "u@b.example"},
        {"a.example": ""},
        {"": "b.example"},
        {"a.example": "b.example:port"},
        {"a.example": "b.exam ple"},
        {"a.example": "b.example\n"},
        {"a.example": None},
        {"a.example": "b.example", "A.example": "c.example"},
        "a.example",
        None,
    ],
)
def test_hosts_that_cannot_be_meant_are_refused(hosts: Any) -> None:
    """A new host is a host and at most a port, so that nothing else can slip into a URL."""
    with pytest.raises(ConfigError, match="nothing was sent"):
        check_hosts(hosts)


@pytest.mark.parametrize(
    "url", ["https://a.example", "http://a.example:1/x?y#z", "HTTPS://[::1]/", "https://u:p@a"]
)
def test_whole_urls_are_told(url: str) -> None:
    """An endpoint needs http or https and a host."""
    assert is_absolute(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "/x",
        "//a.example/x",
        "ftp://a.example",
        "https://",
        "https:///x",
        "https://u@/x",
        "https://a .example",
        "https://a.example/\n",
        "file:///etc",
        "https://a:b:c/",
    ],
)
def test_half_urls_are_told(url: str) -> None:
    """What doo could not call is no endpoint."""
    assert not is_absolute(url)
