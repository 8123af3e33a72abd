"""The canary: after each test its secrets are looked for wherever no secret must ever be.

A test's secrets are those that a sandbox makes (`Box` draws them all from one source), those that `secrets.token_hex`
returns, and those of the fixture `secret`. They are looked for, as they are and in every common spelling, in what was
printed, in every log record of every logger at DEBUG, in every exception that `pytest.raises` caught, with its chain,
pickle and traceback, or that a test gave to `hear`, in every `DooError` that was made, and in the files left in
`tmp_path`. A find fails the test.

A test that takes `caplog` chooses the level of its records itself.
"""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import secrets
import traceback
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from aiodoo.errors import DooError
from aiodoo.sandbox.keys import Entropy

SHORTEST = 16
"""Characters below which a random text may turn up by chance."""

MOST_SECRETS, MOST_ERRORS, MOST_RECORDS = 64, 64, 500
MOST_TEXT = 4 << 20
"""Characters that are kept of what a test shows, from each place."""

SHOWN_ON_PURPOSE = {
    "tests/sandbox/test_sandbox_server.py::test_no_http_at_all": "a plain client's own exception holds its headers",
}

_canaries: list[Canary] = []
_at_import: list[str] = []


class Canary:
    """The secrets of one test, and what it showed."""

    def __init__(self) -> None:
        self.secrets: dict[str, None] = dict.fromkeys(_at_import)
        self.errors: deque[tuple[type, tuple[Any, ...], dict[str, Any]]] = deque(maxlen=MOST_ERRORS)
        self.heard: dict[str, list[str]] = {}
        self.failed = False
        self._described = 0
        self._sizes: dict[str, int] = {}

    def know(self, secret: str) -> None:
        """Remember a secret."""
        if len(secret) >= SHORTEST and len(self.secrets) < MOST_SECRETS + len(_at_import):
            self.secrets[secret] = None

    def asks(self) -> bool:
        """Return whether one more caught exception is worth describing, and count it."""
        self._described += 1
        return self._described <= MOST_ERRORS

    def hear(self, place: str, text: str) -> None:
        """Remember what was shown in a place."""
        size = self._sizes.get(place, 0)
        if size < MOST_TEXT:
            self.heard.setdefault(place, []).append(text)
            self._sizes[place] = size + len(text)

    def after(self, sections: list[tuple[str, str]], left: Path | None) -> list[str]:
        """Return what is found when the test is over, in what was captured and in the files it left, too."""
        for name, text in sections:
            self.hear(name, text)
        for path in sorted(left.rglob("*")) if left is not None else ():
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    text = file.read(MOST_TEXT).decode("latin-1")
                if (
                    text.strip() not in self.secrets
                ):  # a file with nothing else in it is where a secret comes from
                    self.hear("a file in tmp_path", f"{path.name}\n{text}")
        return self.sings()

    def sings(self) -> list[str]:
        """Return where which secret was found, and how it was spelled; the secret itself is not told."""
        for kind, arguments, attributes in self.errors:
            self.hear(f"a {kind.__name__}", f"{arguments!r} {attributes!r}")
        texts = {place: "\n".join(parts) for place, parts in self.heard.items()}
        if not texts:
            return []
        found = {
            f"{place} holds secret {number} of the test {spelling}"
            for number, secret in enumerate(self.secrets, 1)
            for spelling, spelled in spellings(secret)
            for place, text in texts.items()
            if spelled in text
        }
        return sorted(found)


@lru_cache(maxsize=1024)
def spellings(secret: str) -> list[tuple[str, str]]:
    """Return the ways in which a secret is looked for, each with its name."""
    return list(_spellings(secret))


def _spellings(secret: str) -> Iterator[tuple[str, str]]:
    raw = secret.encode()
    yield "as it is", secret
    yield "backwards", secret[::-1]
    yield "in capitals", secret.upper()
    yield "percent-encoded", quote(secret, safe="")
    yield "as form data", quote_plus(secret)
    yield "as JSON", json.dumps(secret)[1:-1]
    yield "as JSON in JSON", json.dumps(json.dumps(secret)[1:-1])[1:-1]
    yield "as its repr", repr(secret)[1:-1]
    yield "in hexadecimal", raw.hex()
    yield "as its SHA-256", hashlib.sha256(raw).hexdigest()
    for before in range(3):
        # Whatever stands before and behind it, these characters of the Base64 are the secret's alone.
        whole = b64encode(bytes(before) + raw).decode()
        inner = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield "in Base64", inner
        yield "in Base64 for URLs", inner.translate(str.maketrans("+/", "-_"))


def describe(error: BaseException) -> Iterator[str]:
    """Yield all that can be shown of an exception and of those it came from, suppressed ones too."""
    seen: list[BaseException] = []
    chain: list[object] = [error]
    while chain:
        each = chain.pop()
        if not isinstance(each, BaseException) or any(each is other for other in seen):
            continue
        seen.append(each)
        chain += [
            each.__cause__,
            each.__context__,
            getattr(each, "cause", None),
            *getattr(each, "exceptions", ()),
        ]
        yield f"{each} {each!r} {each.args!r} {vars(each)!r} {getattr(each, '__notes__', '')}"
        with suppress(Exception):
            yield pickle.dumps(each).decode("latin-1")
    yield "".join(traceback.format_exception(error))


def hear(error: BaseException) -> None:
    """Hear of an exception that a test caught without `pytest.raises`."""
    if _canaries and _canaries[-1].asks():
        for text in describe(error):
            _canaries[-1].hear("a caught exception", text)


def know(secret: str) -> str:
    """Tell the canary of a secret, and return it."""
    if _canaries:
        _canaries[-1].know(secret)
    elif len(secret) >= SHORTEST:
        _at_import.append(secret)
    return secret


def make_secret() -> str:
    """Return a new secret that is spelled differently wherever anything is escaped, and tell the canary of it."""
    return know(f'{_token_hex(8)}"/+\\&=%{_token_hex(8)}')


@pytest.fixture
def secret() -> Callable[[], str]:
    """Make secrets that the canary knows."""
    return make_secret


_token_hex = secrets.token_hex


class _Records(logging.Handler):
    """Hands log records to the canary, as text; after so many it listens no longer at DEBUG, so that long tests stay fast."""

    def __init__(self, canary: Canary) -> None:
        super().__init__()
        self._canary = canary
        self._left = MOST_RECORDS
        self._root = logging.getLogger()
        self._level = self._root.level

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        self._canary.hear("a log record", f"{record.name} {self.format(record)} {record.args!r}")
        self._left -= 1
        if not self._left:
            self._root.setLevel(self._level)

    @contextmanager
    def at_debug(self, others: list[logging.Handler]) -> Iterator[None]:
        """Hear all there is, and let nobody else hear more than before."""
        levels = [(handler, handler.level) for handler in others]
        for handler, level in levels:
            handler.setLevel(max(level, self._level))
        self._root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            self._root.setLevel(self._level)
            for handler, level in levels:
                handler.setLevel(level)


@contextmanager
def _patched(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(make(original)))
    try:
        yield
    finally:
        setattr(owner, name, original)


def _knowing(original: Callable[..., str]) -> Callable[..., str]:
    return lambda *arguments, **options: know(original(*arguments, **options))


def _noting_errors(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: DooError, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if _canaries:
            # Not the error itself: its traceback would keep alive whatever a test wants to see go.
            _canaries[-1].errors.append((type(self), self.args, vars(self)))

    return init


def _noting_raised(original: Callable[..., Any]) -> Callable[..., Any]:
    def leave(self: Any, kind: Any, error: BaseException | None, trace: Any) -> Any:
        if error is not None:
            hear(error)
        return original(self, kind, error, trace)

    return leave


def _noting_output(original: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: Any) -> Any:
        result = original(self)
        if _canaries:
            for text in result:
                _canaries[-1].hear(
                    "what was printed", text if isinstance(text, str) else text.decode("latin-1")
                )
        return result

    return read


_patches = ExitStack()


def pytest_configure() -> None:
    """Begin to listen, before any test is imported."""
    for owner, name, make in (
        (secrets, "token_hex", _knowing),
        (Entropy, "text", _knowing),
        (DooError, "__init__", _noting_errors),
        (type(pytest.raises(DooError)), "__exit__", _noting_raised),
        (pytest.CaptureFixture, "readouterr", _noting_output),
    ):
        _patches.enter_context(_patched(owner, name, make))


def pytest_unconfigure() -> None:
    """Leave everything as it was."""
    _patches.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give each test a canary of its own, and every logger its whole voice."""
    canary, root = Canary(), logging.getLogger()
    records = _Records(canary)
    plugin = item.config.pluginmanager.get_plugin("logging-plugin")
    others = [plugin.caplog_handler, plugin.report_handler] if plugin is not None else []
    _canaries.append(canary)
    root.addHandler(records)
    try:
        with nullcontext() if "caplog" in getattr(item, "fixturenames", ()) else records.at_debug(others):
            return (yield)
    finally:
        root.removeHandler(records)
        _canaries.remove(canary)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the canary listen when a test is over; a test that has failed already is left alone."""
    report = yield
    if not _canaries:
        return report
    canary = _canaries[-1]
    canary.failed |= report.failed
    if call.when == "teardown" and not canary.failed and item.nodeid not in SHOWN_ON_PURPOSE:
        found = canary.after(report.sections, getattr(item, "funcargs", {}).get("tmp_path"))
        if found:
            report.outcome = "failed"
            report.longrepr = "The canary sings:\n" + "\n".join(found)
    return report
