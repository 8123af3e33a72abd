"""The canary sings for a secret in each of the places where none may be, however it is spelled, and else is silent."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import canary
import pytest

import aiodoo.models.from_plain
import aiodoo.sandbox.box  # noqa: F401  # so that the tests that are run in here share them

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from canary import pytest_configure, pytest_runtest_makereport, pytest_runtest_protocol, pytest_unconfigure, secret

@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"
"""

HEAD = """
import asyncio, logging, os, secrets, sys, warnings
import pytest
from aiodoo import AddWebhook, DooError, Hook, Secret, TransportError
from aiodoo.sandbox import Box, Sandbox, classic
"""

LEAKS = {
    "printed": """
        def test(secret):
            print("key:", secret())
    """,
    "printed to standard error": """
        def test(secret):
            sys.stderr.write(secret())
    """,
    "printed by another program": """
        def test(secret):
            os.write(1, secret().encode())
    """,
    "printed in a fixture's end": """
        @pytest.fixture
        def late(secret):
            yield
            print(secret())

        def test(late):
            pass
    """,
    "printed and read by the test": """
        def test(secret, capsys):
            print(secret())
            capsys.readouterr()
    """,
    "written and read by the test": """
        def test(secret, capfd):
            os.write(2, secret().encode())
            capfd.readouterr()
    """,
    "logged at DEBUG by any logger": """
        def test(secret):
            logging.getLogger("some.library").debug("sent %s", secret())
    """,
    "logged as an argument that is not shown": """
        def test(secret):
            logging.getLogger("aiodoo").debug("sent %.0s", secret())
    """,
    "logged with a traceback": """
        def test(secret):
            try:
                raise ValueError(secret())
            except ValueError:
                logging.getLogger("aiodoo").debug("failed", exc_info=True)
    """,
    "logged under caplog": """
        def test(secret, caplog):
            with caplog.at_level("DEBUG"):
                logging.getLogger("aiodoo").debug(secret())
    """,
    "an error's message": """
        def test(secret):
            with pytest.raises(ValueError):
                raise ValueError(secret())
    """,
    "an error's attribute": """
        def test(secret):
            error = ValueError()
            error.request = {"headers": secret()}
            with pytest.raises(ValueError):
                raise error
    """,
    "an error's repr": """
        class Odd(Exception):
            def __repr__(self):
                return key

        def test(secret):
            global key
            key = secret()
            with pytest.raises(Odd):
                raise Odd
    """,
    "an error's pickle": """
        class Odd(Exception):
            def __reduce__(self):
                return (str, (key,))

        def test(secret):
            global key
            key = secret()
            with pytest.raises(Odd):
                raise Odd
    """,
    "an error's note": """
        def test(secret):
            error = ValueError()
            error.add_note(secret())
            with pytest.raises(ValueError):
                raise error
    """,
    "an error's cause": """
        def test(secret):
            with pytest.raises(ValueError):
                raise ValueError from KeyError(secret())
    """,
    "an error's suppressed context": """
        def test(secret):
            with pytest.raises(ValueError):
                try:
                    raise KeyError(secret())
                except KeyError:
                    raise ValueError from None
    """,
    "an error in a group": """
        def test(secret):
            with pytest.raises(ExceptionGroup):
                raise ExceptionGroup("two", [ValueError(), ValueError(secret())])
    """,
    "an error of ours that nobody caught by pytest": """
        def test(secret):
            try:
                raise TransportError(secret())
            except DooError:
                pass
    """,
    "an error of ours, said later": """
        def test(secret):
            error = TransportError("lost")
            error.headers = {"x-api-key": secret()}
    """,
    "a task's error that nobody heard": """
        async def fail(key):
            raise ValueError(key)

        def test(secret):
            async def main():
                task = asyncio.create_task(fail(secret()))
                await asyncio.sleep(0)
                del task
            asyncio.run(main())
    """,
    "a file": """
        def test(secret, tmp_path):
            (tmp_path / "deep").mkdir()
            (tmp_path / "deep" / "a.journal").write_text('{"secret": "%s"}' % secret())
    """,
    "a file's name": """
        def test(secret, tmp_path):
            (tmp_path / secrets.token_hex(16)).touch()
    """,
    "a binary file": """
        def test(secret, tmp_path):
            (tmp_path / "ledger.sqlite").write_bytes(bytes(100) + secret().encode() + bytes(100))
    """,
    "an API key of a sandbox": """
        def test():
            print(Box().api_key)
    """,
    "a client secret of a sandbox": """
        def test():
            print(Box().client_secret)
    """,
    "a token of a sandbox": """
        def test():
            box = Box(plan=None)
            print(box._backend.tokens.issue("key-1", 0.0, None, only=False))
    """,
    "a webhook's secret of a sandbox": """
        def test():
            box = Box(webhooks_per_team=1)
            print(box.live("111")[0]["authentication"]["credentials"])
    """,
    "a webhook's secret of an example": """
        def test():
            print(classic())
    """,
    "a secret made by hand": """
        def test():
            print(secrets.token_hex(16))
    """,
    "a secret of the test's module": """
        KEY = secrets.token_hex(16)

        def test():
            print(KEY)
    """,
    "a secret's own repr, if it had one": """
        def test(secret, monkeypatch):
            monkeypatch.setattr(Secret, "__repr__", lambda self: self.reveal())
            print([Secret(secret())])
    """,
}


def run(pytester: pytest.Pytester, body: str) -> pytest.RunResult:
    """Run one test of its own with the canary listening."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(HEAD + "\n".join(line[8:] for line in body.splitlines()))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", "-q")


@pytest.mark.parametrize("body", LEAKS.values(), ids=LEAKS)
def test_it_sings(body: str, pytester: pytest.Pytester) -> None:
    """A test that leaks passes by itself and fails for its leak, which is told without the secret."""
    # What leaks in there is no leak of this test.
    with deaf():
        result = run(pytester, body)
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed") == 1
    assert outcomes.get("errors") == 1
    assert "The canary sings:" in result.stdout.str()


SILENT = {
    "nothing shown": """
        def test(secret):
            secret()
    """,
    "a secret in its box": """
        def test(secret):
            print(Secret(secret()), [Secret(secret())])
            logging.getLogger("aiodoo").warning("%s", Secret(secret()))
    """,
    "a configuration with a secret": """
        def test(secret):
            print(AddWebhook.from_dict(classic(client_secret=secret())))
    """,
    "a configuration with passwords and headers": """
        def test(secret, tmp_path):
            from aiodoo.operations.encoding import encode_operation
            from aiodoo.operations import Create, Replace
            item = classic(client_secret=secret())
            item["authentication"]["credentials"]["password"] = secret()
            item["authentication"]["header_value_format"] = "Bearer %ACCESS_TOKEN%"
            item["hooks"][0]["headers"] = {"X-Api-Key": secret(), "Accept": "Bearer %ACCESS_TOKEN%"}
            item["custom"] = [{"deep": {"vendor_token": secret()}}]
            config = AddWebhook.from_dict(item)
            print(config, config.extra, config.hooks[0].extra, config.authentication.credentials.extra)
            print(config.to_dict(secrets="omit"), config.to_dict(secrets=str))
            logging.getLogger("aiodoo").debug("%r %s", config.extra, config.hooks)
            for operation in (Create("1", config), Replace("1", "2", config)):
                (tmp_path / operation.word).write_text(str(encode_operation(operation, b"key")))
            with pytest.raises(DooError):
                config.to_dict()
            with pytest.raises(DooError):
                config.copy(hooks=[Hook(type="", endpoint="x", extra=config.hooks[0].extra)]).check()
    """,
    "a header of a listed webhook": """
        def test(secret):
            from aiodoo import WebhookConfiguration
            item = classic(client_secret=secret())
            item["authentication"]["header_value_format"] = secret()
            webhook = WebhookConfiguration.from_dict({"id": "1", **item}, team_id="1")
            print(webhook, webhook.authentication, webhook.to_dict(secrets="omit"))
            print(webhook.to_dict(secrets=lambda each: each))
    """,
    "a file that holds a secret and nothing else": """
        def test(secret, tmp_path):
            (tmp_path / "key").write_text(secret() + "\\n")
    """,
    "somebody else's digest": """
        def test(secret):
            import hashlib
            print(hashlib.sha256(b"x" + secret().encode()).hexdigest())
    """,
    "a short random word": """
        def test():
            print(secrets.token_hex(4))
    """,
    "a box": """
        def test():
            box = Box()
            print(box.credentials, box.log)
    """,
}


@pytest.mark.parametrize("body", SILENT.values(), ids=SILENT)
def test_it_is_silent(body: str, pytester: pytest.Pytester) -> None:
    """A test that keeps its secrets passes."""
    with deaf():
        result = run(pytester, body)
    result.assert_outcomes(passed=1)


def test_a_test_that_fails_is_left_alone(pytester: pytest.Pytester) -> None:
    """Whoever fails is told why, and not of a leak besides."""
    body = """
        def test(secret):
            print(secret())
            assert False
    """
    with deaf():
        result = run(pytester, body)
    result.assert_outcomes(failed=1)


@pytest.mark.usefixtures("caplog")  # so that the loggers are at their own levels out here
def test_loggers_are_left_as_they_were(pytester: pytest.Pytester) -> None:
    """Nobody but the canary hears more than without it, and after the test it is gone."""
    body = """
        def test_one():
            logging.getLogger("aiodoo").debug("nobody")
            assert logging.getLogger().level == logging.DEBUG

        def test_two(caplog):
            logging.getLogger("aiodoo").debug("nobody")
            logging.getLogger("aiodoo").warning("somebody")
            assert caplog.messages == ["somebody"]
            assert logging.getLogger().level == logging.WARNING
    """
    with deaf():
        result = run(pytester, body)
    result.assert_outcomes(passed=2)


@pytest.mark.usefixtures("caplog")
def test_long_tests_are_not_slowed_down(pytester: pytest.Pytester) -> None:
    """After so many records DEBUG is off again, so that what logs a million lines need not."""
    body = """
        def test():
            log = logging.getLogger("aiodoo")
            for _ in range(1000):
                log.debug("again")
            assert not log.isEnabledFor(logging.DEBUG)
    """
    with deaf():
        result = run(pytester, body)
    result.assert_outcomes(passed=1)


SPELLED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "reversed": lambda secret: secret[::-1],
    "in capitals": str.upper,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "as form data": quote_plus,
    "as JSON": json.dumps,
    "as JSON in JSON": lambda secret: json.dumps(json.dumps(secret)),
    "as a repr": repr,
    "as bytes' repr": lambda secret: repr(secret.encode()),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "SHA-256": lambda secret: hashlib.sha256(secret.encode()).hexdigest(),
    "Base64": lambda secret: b64encode(secret.encode()).decode(),
    "Base64 for URLs": lambda secret: urlsafe_b64encode(secret.encode()).decode(),
    "Base64 with one before it": lambda secret: b64encode(f"x{secret}".encode()).decode(),
    "Base64 with two before it": lambda secret: b64encode(f"xy{secret}z".encode()).decode(),
    "Base64 of a user and a password": lambda secret: b64encode(f"doo:{secret}".encode()).decode(),
}


@pytest.mark.parametrize("spell", SPELLED.values(), ids=SPELLED)
@pytest.mark.parametrize("odd", [False, True], ids=["hex", "odd"])
def test_however_it_is_spelled(spell: Callable[[str], str], odd: bool) -> None:  # noqa: FBT001
    """A secret is found in each spelling, amid other text, whatever characters it has; and none where there is none."""
    known = canary.make_secret() if odd else secrets.token_hex(20)
    heard = canary.Canary()
    heard.know(known)
    heard.hear("here", f"before {'y' * 50} after")
    assert heard.sings() == []
    heard.hear("there", f"before {spell(known)} after")
    found = heard.sings()
    assert found
    assert all(each.startswith("there holds secret") for each in found)
    assert known not in str(found)


class deaf:  # noqa: N801  # reads as a word
    """Let a leak that is meant be no leak of the test that means it; in there it is as if no test ran yet."""

    def __enter__(self) -> None:
        self._canaries = canary._canaries.copy()
        self._known = canary._at_import.copy()
        canary._canaries.clear()

    def __exit__(self, *_: object) -> None:
        canary._canaries[:] = self._canaries
        canary._at_import[:] = self._known
