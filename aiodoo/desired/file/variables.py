"""Substitutes variables in texts: `${name}`, with `$${` for a literal `${`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import attrs

from aiodoo.desired.file.yaml_reading import Fault, Place, Source

T = TypeVar("T")

SECRET = "${secret:"  # noqa: S105  # how a reference to one begins
_SECRET_FIELD = "client_secret"  # noqa: S105  # a key that such a reference may stand under
_CHOSEN_BY_OTHERS = "organization.name"
_REFERENCE = re.compile(r"\$\$\{|\$\{([^${}]*)\}")
_LONGEST = 1 << 20
"""Characters that variables may add to a text."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Reference(str):
    """A text that refers to a secret, unlike one that only looks so as doo lists it."""

    __slots__ = ()


@attrs.define
class Variables:
    """Substitutes variables in the texts of a file for one team.

    Attributes:
        source: the file.
        variables: the variables of the file, which may refer to each other and to predefined ones.
        given: the predefined variables, such as `team.id`; None for a value that doo does not name.
        faults: the faults found so far.
        varies: whether a variable was looked up, so that the result may be another one for another team.
    """

    source: Source
    variables: Mapping[str, str]
    given: Mapping[str, str | None]
    faults: list[Fault] = attrs.field(factory=list)
    varies: bool = False
    _filled: dict[str, str] = attrs.field(factory=dict)

    def check_names(self) -> None:
        """Add a fault for each variable whose name is not possible in `${name}`."""
        for name in self.variables:
            if _NAME.fullmatch(name) is None:
                message = "is no name for a variable; use letters, digits, _ and -, beginning with a letter"
                self.faults.append(self.source.fault(("variables", name), message, at_key=True))

    def whole(self, value: T, place: Place) -> T:
        """Return a value with the variables in all its texts substituted; `place` is its path."""
        return cast("T", self._whole(value, place))

    def _whole(self, value: Any, place: Place) -> Any:
        match value:
            case str():
                return self.text(value, place) if "$" in value else value
            case None | bool() | int() | float():
                return value
            case tuple() | list():
                items = [self._whole(item, (*place, number)) for number, item in enumerate(value)]
                same = all(new is old for new, old in zip(items, value, strict=True))
                return value if same else type(value)(items)
            case Mapping():
                found = {name: self._whole(item, (*place, name)) for name, item in value.items()}
                return value if all(found[name] is item for name, item in value.items()) else found
        if not attrs.has(type(value)):
            return value
        made = {
            field.name: new
            for field in attrs.fields(type(value))
            if (new := self._whole(old := getattr(value, field.name), (*place, field.name))) is not old
        }
        return attrs.evolve(value, **made) if made else value

    def text(self, text: str, place: Place) -> str:
        """Return a text with its variables substituted; a reference to a secret is kept where one is allowed."""
        if "$" not in text:
            return text
        filled = self._text(text, place, ())
        refers = SECRET in filled and f"${SECRET}" not in text
        is_secret = place[-1:] == (_SECRET_FIELD,) or (
            refers and ("unknown" in place or place[-1:] == ("header_value_format",))
        )
        if refers and not is_secret:
            self._fault(place, "refers to a secret, which only a client_secret may; remove it")
        gets_secret = place[-2:] == ("authentication", "endpoint")
        if (is_secret or gets_secret) and self._uses(text, _CHOSEN_BY_OTHERS, frozenset()):
            # Else anybody who can rename an organization could choose the file that is read as the secret, or the host
            # that receives it.
            self._fault(
                place,
                f"must not depend on {_CHOSEN_BY_OTHERS}, which anybody can change; use organization.id",
            )
        return Reference(filled) if refers else filled

    def _uses(self, text: str, name: str, seen: frozenset[str]) -> bool:
        """Tell whether a text refers to a name, directly or through variables of the file."""
        names = set(_REFERENCE.findall(text))
        return name in names or any(
            self._uses(self.variables[each], name, seen | {each})
            for each in names.intersection(self.variables) - seen
        )

    def _text(self, text: str, place: Place, using: tuple[str, ...]) -> str:
        around = _REFERENCE.sub("", text)
        if any(not outer[0].startswith(SECRET) for outer in _REFERENCE.finditer(around)):
            self._fault(place, "has a ${ } in another one, as only a reference to a secret may; write it out")
            return text
        if "${" in _REFERENCE.sub("", around):
            self._fault(place, "has a ${ without its }; close it, or write $${ for the two characters")
            return text
        left = _LONGEST

        def substitute(found: re.Match[str]) -> str:
            nonlocal left
            if found[1] is None:
                return "${"
            value = found[0] if found[0].startswith(SECRET) else self._value(found[1], place, using)
            left -= len(value)
            return value if left >= 0 else ""

        filled = _REFERENCE.sub(substitute, text)
        if left < 0:
            self._fault(place, "grows too large with what its variables hold; shorten them")
        return filled

    def _value(self, name: str, place: Place, using: tuple[str, ...]) -> str:
        self.varies = True
        if name in using:
            self._fault(("variables", name), f"uses itself: {' -> '.join([*using, name])}; break the circle")
        elif name in self.given:
            value = self.given[name]
            if value is not None:
                return value
            self._fault(place, f"needs {name}, which doo does not tell; leave such teams out")
        elif name in self.variables:
            if name not in self._filled:
                self._filled[name] = self._text(self.variables[name], ("variables", name), (*using, name))
            return self._filled[name]
        else:
            self._fault(place, self._unknown(name, place))
        return ""

    def _unknown(self, name: str, place: Place) -> str:
        if place[-1:] == (_SECRET_FIELD,):
            # The name is not shown, as it may be a part of the secret.
            return (
                "uses a variable that is not there; declare it under variables, or write ${secret:env:NAME}"
            )
        close = difflib.get_close_matches(name, [*self.variables, *self.given], 1)
        meant = f"did you mean {close[0]}?" if close else "declare it under variables"
        return f"uses {name[:40] or 'a variable without a name'}, which is not there; {meant}"

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(self.source.fault(place, message))
