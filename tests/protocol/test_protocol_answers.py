from __future__ import annotations

import secrets
from typing import Any

import pytest
from models.doo_lists import answer

from aiodoo import NotJson, ProtocolError, SchemaMismatch, Secret
from aiodoo.protocol.answers import read_created, read_deleted, read_initialized, read_token


def envelope(**fields: Any) -> dict[str, Any]:
    """Return doo's envelope of success with these fields."""
    return {"response_status": 200, "developer_message": "Success", "user_message": "Success"} | fields


def test_a_token_is_read_where_doo_prints_it() -> None:
    """`data.access_token`, with no word on how long it lasts."""
    token = secrets.token_hex(20)
    body = envelope(data={"access_token": token, "refresh_token": None}, _links={})
    assert read_token(answer(body)) == Secret(token)
    assert read_token(answer(body, status=201)) == Secret(token)


@pytest.mark.parametrize(
    "extra", [{"expires_in": -1}, {"expires_in": "soon"}, {"token_type": "mac"}, {"refresh_token": 5}]
)
def test_what_doo_does_not_document_is_passed_over(extra: dict[str, Any]) -> None:
    """Nothing is concluded from fields that no page names."""
    assert read_token(answer(envelope(data={"access_token": "t"} | extra))) == Secret("t")


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        5,
        True,
        ["t"],
        {"t": 1},
        "a b",
        "a\r\nX: y",
        "a\x00",
        "tökén",
        "\u200b",
        "a" * 8193,
        " t",
        "t\n",
    ],
)
def test_a_token_that_no_header_can_carry_is_refused(token: Any) -> None:
    """1 to 8192 printable ASCII characters; a refused one is not shown."""
    with pytest.raises(SchemaMismatch) as caught:
        read_token(answer(envelope(data={"access_token": token})))
    assert caught.value.path == "$.data.access_token"
    assert "a" * 99 not in str(caught.value)


@pytest.mark.parametrize(
    "body", [envelope(), envelope(data=None), envelope(data="t"), envelope(data=[]), [], None, "t", 5]
)
def test_an_answer_without_a_token_is_refused(body: Any) -> None:
    """The token is nowhere else."""
    with pytest.raises(SchemaMismatch):
        read_token(answer(body))


@pytest.mark.parametrize(
    ("data", "webhook_id"),
    [("0f5566bb-d35b-11e7-bde8-0206116776d2",) * 2, ("12", "12"), (12, "12"), ("a" * 64, "a" * 64)],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_id_of_a_new_webhook_is_read(data: Any, webhook_id: str, status: int) -> None:
    """`data` is the id itself; any 2xx will do."""
    assert read_created(answer(envelope(data=data), status=status)) == webhook_id
    assert read_created(answer({"data": data})) == webhook_id
    assert read_created(answer(envelope(data=data, response_status="201"))) == webhook_id


@pytest.mark.parametrize(
    "body",
    [
        envelope(),
        *(
            envelope(data=data)
            for data in (
                None,
                "",
                [],
                ["12"],
                {"id": "12"},
                True,
                1.0,
                "../x",
                "a/b",
                "12\n",
                "a" * 65,
                "\u0663",
            )
        ),
        *(
            envelope(data="12", response_status=status)
            for status in (None, "ok", 302, 400, 2000, -200, 200.0, True, [200], "0200", "\u0662\u0660\u0660")
        ),
        [],
        "12",
        None,
    ],
)
def test_a_create_without_a_readable_id_is_refused(body: Any) -> None:
    """Nobody knows what was created; that is for the steps to find out."""
    with pytest.raises(SchemaMismatch):
        read_created(answer(body))


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":"12"'])
def test_a_create_that_is_not_json_is_refused(body: bytes) -> None:
    """A truncated answer is as good as none."""
    with pytest.raises(NotJson):
        read_created(answer(body))


@pytest.mark.parametrize("body", [b"", b"anything", envelope(), envelope(response_status=500)])
def test_a_delete_has_nothing_to_read(body: Any) -> None:
    """Doo gives no confirmation, so whatever it says is passed over."""
    assert read_deleted(answer(body, status=204)) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(("items", "number"), [(123, 123), (0, 0), ("123", 123)])
def test_the_number_of_items_is_read_at_top_level(items: Any, number: int) -> None:
    """`items_processed` is not under `data`."""
    assert read_initialized(answer(envelope(items_processed=items))) == number


@pytest.mark.parametrize("items", [None, -1, 1.5, True, "", "-1", "1.0", "\u0663", [], "9" * 30])
def test_a_number_of_items_that_is_none_is_refused(items: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(SchemaMismatch, match="items_processed"):
        read_initialized(answer(envelope(items_processed=items)))
    with pytest.raises(ProtocolError):
        read_initialized(answer(envelope(data={"items_processed": 5})))
