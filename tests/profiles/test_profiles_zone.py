"""A profile's time zone on a machine that knows none, as slim containers are."""

from __future__ import annotations

import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiodoo import ConfigError, profiles

CONFIG = '[profiles.p]\napi_key = "k"\nclient_id = "c"\nclient_secret = "s"\nfacts = {{ time_zone = "{}" }}\n'


@pytest.fixture
def no_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take all zones away for a while."""
    for name in [each for each in sys.modules if each.startswith("tzdata.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tzdata", None)
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=before)


def load(folder: Path, zone: str) -> None:
    """Load a profile that names a zone."""
    file = folder / "config.toml"
    file.write_text(CONFIG.format(zone))
    file.chmod(0o600)
    profiles.load("p", config=file)


@pytest.mark.usefixtures("no_zones")
def test_a_machine_without_zones_is_told_so(tmp_path: Path) -> None:
    """The zone is not misspelled: what is missing is the data, and the error says how to get it."""
    with pytest.raises(ConfigError, match="no time zone data; install the package tzdata") as caught:
        load(tmp_path, "Europe/Berlin")
    assert "must be the name" not in str(caught.value)


@pytest.mark.parametrize("zone", ["Europe/Berln", "../etc/passwd", ""])
def test_a_misspelled_zone_is_told_so(tmp_path: Path, zone: str) -> None:
    """Where zones are known."""
    with pytest.raises(ConfigError, match="must be the name of a zone such as 'Europe/Berlin'"):
        load(tmp_path, zone)
