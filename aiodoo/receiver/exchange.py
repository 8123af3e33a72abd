"""What comes in and what goes out, independent of the web framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs
import msgspec


@attrs.frozen(kw_only=True)
class ReceivedRequest:
    """One HTTP request to a receiver, whose body is not read yet.

    Attributes:
        method: such as `POST`.
        path: the path below the one that the receiver is mounted at, such as `/event_created`.
        headers: names and values in the order of the request.
        read: reads the body and returns it; of a longer one than the number of bytes given, it may return the first part
            only, but at least one byte more than that number.
    """

    method: str
    path: str
    headers: Sequence[tuple[str, str]] = attrs.field(repr=False)
    read: Callable[[int], Awaitable[bytes]] = attrs.field(repr=False)

    def values(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for each, value in self.headers if each.lower() == name]


@attrs.frozen(kw_only=True)
class ReceiverAnswer:
    """The answer to one request ("How to respond to webhook requests?"): doo takes status 200 alone as success.

    Attributes:
        status: the HTTP status.
        body: a JSON object with `message` and `description`.
        headers: the headers beside Content-Type and Content-Length.
    """

    status: int
    body: bytes = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(
        cls,
        status: int,
        message: str,
        description: str,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: str | int,
    ) -> ReceiverAnswer:
        """Return an answer of doo's form, with further fields if there are any."""
        body = msgspec.json.encode({**fields, "message": message, "description": description})
        return cls(status=status, body=body, headers=headers or {})


# Each kind of refusal has one answer, so that its bytes say nothing about what was wrong.
UNAUTHORIZED = ReceiverAnswer.of(
    401, "Unauthorized", "The credentials are not valid.", headers={"WWW-Authenticate": "Bearer"}
)
NOT_FOUND = ReceiverAnswer.of(404, "Not found", "Nothing is received at this path.")
ONLY_POST = ReceiverAnswer.of(405, "Method not allowed", "Send a POST request.", headers={"Allow": "POST"})
INCOMPLETE = ReceiverAnswer.of(
    408, "Timeout", "The body did not arrive in time.", headers={"Connection": "close"}
)
TOO_LARGE = ReceiverAnswer.of(
    413, "Too large", "The body is larger than this receiver accepts.", headers={"Connection": "close"}
)
NOT_JSON = ReceiverAnswer.of(400, "Not readable", "The body is not a JSON document.")
FAILED = ReceiverAnswer.of(500, "Failed", "The delivery could not be handled. Send it again.")
BUSY = ReceiverAnswer.of(503, "Busy", "An equal delivery is being handled. Send it again.")
STOPPING = ReceiverAnswer.of(503, "Stopping", "This receiver is starting or shutting down. Send it again.")

DONE = ReceiverAnswer.of(200, "OK", "The delivery was handled.")
STORED = ReceiverAnswer.of(200, "OK", "The delivery was stored and will be handled.")
DUPLICATE = ReceiverAnswer.of(200, "OK", "An equal delivery was handled before.")
IGNORED = ReceiverAnswer.of(200, "OK", "The delivery was not needed.")
