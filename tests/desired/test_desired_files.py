"""Files of desired state: what they may say, and how they say what is wrong with them."""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import pytest
from desired_world import CRM, declare, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError
from aiodoo.desired import Plan
from aiodoo.sandbox import Fault

EVENTS = "https://${host}/${team.id}/events"
LOGIN = """\
    authentication:
      endpoint: https://crm.example/token
      credentials:
        client_secret: SECRET
"""


def plan(file: Path, *, requests: int | None = None, **options: Any) -> Plan:
    """Plan a file against a new box, and see how many requests that took."""

    async def main(clock: SimulatedClock) -> Plan:
        async with world(clock) as (doo, box):
            try:
                return await doo.desired.plan(file, **options)
            finally:
                if requests is not None:
                    assert box.log.total == requests

    return simulate(main)


def edited(*edits: tuple[str, str]) -> str:
    """Return the file of the CRM with something else in it."""
    text = CRM
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def with_login(secret: str) -> str:
    """Return the file of the CRM with a secret."""
    return CRM + LOGIN.replace("SECRET", secret)


BROKEN = {
    "no YAML": ("aiodoo: [1", "1:11: is not YAML: .*; correct it"),
    "brackets without end": ("[" * 2000, "1:1: is nested too deeply, or is not YAML; simplify it"),
    "two documents": (CRM + "---\n" + CRM, "19:1: is not YAML: .* another document"),
    "a tab": (edited(("  name_prefix", "\tname_prefix")), "3:1: is not YAML"),
    "an unknown alias": (edited(("[111]", "*pilots")), "13:12: is not YAML: found undefined alias"),
    "a control character": (edited(("crm.example", "crm\x00.example")), "6:12: holds a control character; remove it"),
    "nothing": ("", "1:1: is empty; declare at least"),
    "a list": ("- 1", "1:1: must be a mapping, not a list"),
    "another version": (edited(("aiodoo: 1", "aiodoo: 2")), "1:9: aiodoo must be 1"),
    "no version": (edited(("aiodoo: 1\n", "")), "1:1: aiodoo is missing; add it"),
    "a slip in a key": (edited(("endpoint: https://${host}/orders", "endpont: x")), "16:9: .*endpont .*mean endpoint"),
    "a missing key": (edited(("endpoint: https://${host}/orders", "method: POST")), r"15:9: webhooks\[1\].hooks\[0\].endpoint is missing; add it"),
    "a key twice": (edited(("  host: crm.example", "  host: crm.example\n  host: b.example")), "7:3: variables.host is there twice, first on line 6; remove one"),
    "a number for a text": (edited(('name: "crm: orders"', "name: 5")), r"12:11: webhooks\[1\].name must be text, not a number; put it in quotes"),
    "a spelling that gets lost": (edited(("[111]", "[0111]")), r"13:13: webhooks\[1\].teams\[0\] is a number whose spelling would get lost; put it in quotes"),
    "a tag": (edited(("crm.example\n", "!env HOST\n")), "6:9: variables.host has a tag that means nothing here; remove it"),
    "a tag of another kind of thing": (edited(("teams: all", "teams: !!seq {a: 1}")), "4:8: teams has a tag that does not fit what it stands before; remove it"),
    "a mapping's tag before a text": (edited(("teams: all", "teams: !!map all")), "4:8: teams has a tag that means nothing here; remove it"),
    "a flag in an older YAML's words": ("%YAML 1.1\n---\n" + edited(("teams: all", "teams: {all: yes}")), "6:14: teams.all must be true or false, or a text in quotes"),
    "a number beyond all numbers": (edited(('{id: "%ORDER_ID%"}', "{id: 1e999}")), "18:25: .*variables.id is a number whose spelling would get lost"),
    "a mapping for a list": (edited(("teams: [111]\n    hooks:", "hooks: {}\n    hooks:")), "14:5: .*is there twice, first on line 13; remove one"),
    "nobody's": (edited(('name_prefix: "crm: "', "{}")), "3:3: manage takes one of name_prefix, marker and all: true"),
    "everybody's": (edited(('"crm: "', '""')), "3:16: manage.name_prefix is empty"),
    "the marker of runs": (edited(('name_prefix: "crm: "', "marker: '[aiodoo:crm]'")), "3:11: manage.marker looks like what runs add .*; take another text"),
    "a name without the prefix": (edited(('"crm: orders"', "orders")), r"12:11: webhooks\[1\].name must begin with 'crm: '"),
    "an unknown variable": (edited((EVENTS, "https://${hots}/")), "11:19: .*uses hots, .*did you mean host"),
    "a variable that uses itself": (edited(("host: crm.example", "host: ${port}\n  port: ${host}")), "6:9: variables.host uses itself: .* -> .*; break the circle"),
    "an unknown variable in one that only a login uses": (edited(("host: crm.example", "host: crm.example\n  own: ${nope}")) + LOGIN.replace("SECRET", "${secret:env:${own}}"), "7:8: variables.own uses nope, which is not there"),
    "a variable within a variable": (edited((EVENTS, "https://${host_${team.id}}")), r"11:19: .*has a .* in another one, as only a reference to a secret may; write it out"),
    "braces within braces": (edited((EVENTS, "${" * 300 + "}" * 300)), "11:19: .*has a .* in another one"),
    "variables that grow and grow": (edited(("host: crm.example", "host: ${v5}\n  v0: " + "x" * 99 + "".join(f"\n  v{n}: " + f"${{v{n - 1}}}" * 9 for n in range(1, 6)))), "grows too large with what its variables hold; shorten them"),
    "an open brace": (edited((EVENTS, "https://crm.example/${host")), "11:19: .*has a .* without its }; close it"),
    "a bad variable name": (edited(("  host:", "  a b: 1\n  host:")), "6:3: variables.a b is no name for a variable"),
    "a URL that is none": (edited((EVENTS, "crm")), r"11:19: webhooks\[0\].hooks\[0\].endpoint must be a whole URL .*; correct it"),
    "no hooks": (edited(("    hooks:\n      - type: event_created\n        endpoint: " + EVENTS + "\n", "    hooks: []\n")), r"9:12: webhooks\[0\].hooks is empty"),
    "on_ before a type": (edited(("type: order_created", "type: on_order_created")), "15:15: .*write order_created"),
    "a suffix after a type": (edited(("type: order_created", "type: order_created_" + "0" * 32)), "15:15: .*write order_created"),
    "a query and an origin": (CRM + "        origin: {body: '{}'}\n", "17:16: .*query and origin say the same thing twice"),
    "variables without a query": (edited(("endpoint: " + EVENTS, "endpoint: " + EVENTS + "\n        variables: {}")), "12:20: .*belongs to a query"),
    "an origin that is no JSON": (edited(("endpoint: " + EVENTS, "endpoint: " + EVENTS + "\n        origin: {body: x}")), r"12:24: .*hooks\[0\].origin.body is not JSON"),
    "an empty query": (edited(('"query ($id: ID!) {order(id: $id) {id}}"', '""')), "17:16: .*query is empty"),
    "a merge of a text": (edited(("  host: crm.example", "  <<: x\n  host: crm.example")), "6:3: variables merges what is no mapping; << takes the alias"),
    "a key that is a list": (edited(("  host: crm.example", "  host: crm.example\n  [a]: b")), "7:3: variables has a key that is neither text"),
    "a text for a flag": (edited(("teams: all", "teams: {all: yes}")), "4:14: teams.all must be true or false, not text"),
    "a list for a mapping": (edited(('variables: {id: "%ORDER_ID%"}', "variables: [1]")), "18:20: .*variables must be a mapping, not a list"),
    "null for a text": (edited(('name: "crm: orders"', "name: null")), "12:11: .*name must be text, not null"),
    "a time, which is a text": (edited(("crm.example", "2026-01-01"), ("${host}/orders", "${hosts}")), "16:19: .*uses hosts"),
    "teams of a webhook left blank": (edited(("teams: [111]", "teams:")), "13:5: .*teams must be all, a list of team ids, or a selection"),
    "a bare secret": (with_login("abc"), "22:24: .*is no reference to a secret; write ..secret:env:NAME"),
    "a secret in a URL": (edited((EVENTS, "https://${host}/${secret:env:X}")), "11:19: .*refers to a secret, which only a client_secret may"),
    "a secret that is not set": (with_login("${secret:env:AIODOO_TEST_UNSET}"), "22:24: .*AIODOO_TEST_UNSET is not set.*; set it, or correct"),
    "a secret that a team's organization chooses": (with_login("${secret:file:${organization.name}}"), "22:24: .*must not depend on organization.name, .*; use organization.id"),
    "a secret that a team's organization chooses by a variable": (with_login("${secret:env:${host}}").replace("host: crm.example", "host: x${organization.name}"), "22:24: .*must not depend on organization.name"),
    "a token URL that a team's organization chooses": (with_login("${secret:env:X}").replace("crm.example/token", "${organization.name}.example"), "20:17: .*authentication.endpoint must not depend on organization.name, .*; use organization.id"),
    "a secret in no file": (with_login("${secret:file:no/such/file}"), "22:24: .*no/such/file cannot be read"),
    "teams that are none": (edited(("teams: all", "teams: everyone")), "4:8: teams must be all, a list of team ids, or a selection"),
    "an id that is none": (edited(("teams: all", "teams: [1/2]")), r"4:9: teams\[0\] is no team id"),
    "no team": (edited(("teams: all", "teams: {}")), "4:8: teams names no team"),
    "only an exclusion": (edited(("teams: all", "teams: {exclude: {ids: [111]}}")), "4:8: teams names no team; give all: true"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_named_with_file_line_column_and_remedy(case: str, tmp_path: Path) -> None:
    """A broken file is refused before anything is sent."""
    text, expected = BROKEN[case]
    file = declare(tmp_path, text)
    with pytest.raises(ConfigError, match=expected) as caught:
        plan(file, requests=0 if "id that" not in case and "team" not in case else None)
    first, *_, last = str(caught.value).splitlines()
    assert first.startswith(f"{file}:")
    assert last == "Nothing was sent."
    assert any(word in first for word in (";", ", not a", "must", "may", "takes"))


UNFOUND = {
    "an organization that is not there": ("{organizations: [Orga*, Acme]}", r"4:32: teams.organizations\[1\] finds no team"),
    "an organization id that is not there": ("{organization_ids: [1]}", r"4:28: teams.organization_ids\[0\] finds no team"),
    "an exclusion of a team that is not meant": ("{all: true, exclude: {ids: [999]}}", r"4:36: teams.exclude.ids\[0\] is team 999, which is not among"),
    "an exclusion of all": ("{ids: [111], exclude: {organizations: ['*']}}", "4:8: teams leaves no team; exclude fewer"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFOUND)
def test_a_selection_that_finds_nothing_is_a_slip_of_the_pen(case: str, tmp_path: Path) -> None:
    """It is refused once doo's organizations are known, before any team is read."""
    teams, expected = UNFOUND[case]
    with pytest.raises(ConfigError, match=expected):
        plan(declare(tmp_path, edited(("teams: all", f"teams: {teams}"))), requests=2)


def test_a_webhook_selects_among_the_teams_of_its_file(tmp_path: Path) -> None:
    """A team of one webhook that the file does not look after is a mistake."""
    with pytest.raises(ConfigError, match=r"13:13: webhooks\[1\].teams\[0\] is team 111, which is not among"):
        plan(declare(tmp_path, edited(("teams: all", "teams: [112, 113]"))), requests=0)


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Whoever corrects a file need not run into one fault after the other."""
    shape = edited(("aiodoo: 1", "aiodoo: 3"), ("type: event_created", "typ: x"))
    content = edited(("/orders", "/${nope}"), (EVENTS, "crm"))
    for text, wanted in ((shape, ["1", "10", "10"]), (content, ["11", "16"])):
        with pytest.raises(ConfigError) as caught:
            plan(declare(tmp_path, text))
        lines = [line.rpartition("doo.yaml:")[2].partition(":")[0] for line in str(caught.value).splitlines()]
        assert lines == [*wanted, "Nothing was sent."]


def test_no_more_than_ten_faults_are_told(tmp_path: Path) -> None:
    """A file of another kind does not fill the screen."""
    with pytest.raises(ConfigError, match=r"doo\.yaml: and 9 more\nNothing was sent\.$"):
        plan(declare(tmp_path, "\n".join(f"key{number}: 1" for number in range(15))))


@pytest.mark.parametrize(
    "written", ["{}", "*{}", "!{}", "!{}!x y", "%{}", "0{}", "${{{}}}", "${{{}", "[{}]", "{{{}: 1}}", "'{}"]
)
def test_values_of_secrets_are_never_shown(tmp_path: Path, written: str) -> None:
    """A secret written into the file by mistake, and be it without the quotes it needs, is not repeated by any message."""
    for bare in (os.urandom(8).hex(), str(secrets.randbelow(10**15) + 10**15)):
        with pytest.raises(ConfigError) as caught:
            plan(declare(tmp_path, with_login(written.format(bare))))
        assert bare not in f"{caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """No file, one that is no UTF-8, one that is too large: each says what to do."""
    for name in ("no.yaml", "no\0.yaml"):
        with pytest.raises(ConfigError, match=r"no\W?\.yaml cannot be read .*Name the YAML file"):
            plan(tmp_path / name)
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe4\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: is not UTF-8; .*Save it as UTF-8"):
        plan(tmp_path / "latin.yaml")
    (tmp_path / "large.yaml").write_bytes(b"a: 'x'\n" * 700_000)
    with pytest.raises(ConfigError, match=r"larger than 4 MiB and .*split it"):
        plan(tmp_path / "large.yaml")


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    """Aliases of aliases of aliases, one after the other or one in another, whichever way they are used, end early."""
    nines = [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 12)]
    bases = [f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    chain = [f"x{n}: &x{n} {{<<: *x{n - 1}}}" for n in range(1, 500)]
    for text in (["x0: &x0 [1, 1]", *nines], ["x0: &x0 {a: 1}", *bases], ["x0: &x0 {a: 1}", *chain]):
        with pytest.raises(ConfigError, match="too large or too deep; use fewer aliases"):
            plan(declare(tmp_path, "\n".join(text)))
    for line in ("a: &a [*a, *a]", "a: &a {<<: *a}", "a: &a {<<: [*a]}", "a: &a {x: &b {<<: *a}}"):
        with pytest.raises(ConfigError, match=r"1:4: a.* is an alias of what it is in; use fewer aliases"):
            plan(declare(tmp_path, line))


def test_a_file_from_another_system_is_read(tmp_path: Path) -> None:
    """With a byte order mark, with CRLF, with both."""
    for text in ("\ufeff" + CRM, CRM.replace("\n", "\r\n"), "\ufeff" + CRM.replace("\n", "\r\n")):
        file = tmp_path / "doo.yaml"
        file.write_bytes(text.encode())
        assert [(change.name, change.line) for change in plan(file)][:2] == [
            ("crm: events", 8),
            ("crm: orders", 12),
        ]


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    """What YAML offers against repetition may be used; what is written beside a merge wins."""
    text = edited(
        ("- type: event_created\n", "- &hook\n        type: event_created\n"),
        ("- type: order_created\n", "- <<: *hook\n        type: order_created\n"),
    )
    planned = plan(declare(tmp_path, text))
    hook = next(change for change in planned if change.name == "crm: orders").operation["config"]["hooks"][0]
    assert (hook["type"], hook["endpoint"]) == ("order_created", "https://crm.example/orders")


def test_variables_are_filled_in(tmp_path: Path) -> None:
    """Those of the file, of the caller, of the team; one in another; and $${ for the characters themselves."""
    text = edited(
        ("host: crm.example", "host: crm.example\n  port: 8443\n  base: https://${host}:${port}"),
        (EVENTS, "${base}/${team.id}/${organization.id}/$${x}"),
        ('name: "crm: events"', 'name: "crm: events"\n    description: ${organization.name}'),
    )
    file = declare(tmp_path, text)
    [first, *_] = plan(file, variables={"host": "other.example"})
    assert first.operation["config"]["hooks"][0]["endpoint"] == "https://other.example:8443/111/70001/${x}"
    assert first.operation["config"]["description"] == "Organization 1"
    with pytest.raises(ConfigError, match="must be texts"):
        plan(file, requests=0, variables={"host": 5})
    with pytest.raises(ConfigError, match="declares no variable hots"):
        plan(file, requests=0, variables={"hots": "x"})


def test_a_variable_that_doo_does_not_tell(tmp_path: Path) -> None:
    """A team that is not among doo's organizations has no organization's name."""
    text = edited((EVENTS, "https://crm.example/${organization.id}"), ("teams: all", "teams: [111, 999]"))
    with pytest.raises(
        ConfigError, match=r"11:19: .*needs organization.id, .*leave such teams out .team 999"
    ):
        plan(declare(tmp_path, text))


def test_secrets_may_differ_by_team(tmp_path: Path) -> None:
    """A reference may hold variables; a path is relative to the file."""
    (tmp_path / "secret-111").write_text(secrets.token_hex(8) + "\n")
    planned = plan(
        declare(
            tmp_path, with_login("${secret:file:secret-${team.id}}").replace("teams: all", "teams: [111]")
        )
    )
    assert list(planned.secrets) == [f"file:{tmp_path / 'secret-111'}"]


def test_without_ruamel_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, the message says how to get it."""
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    with pytest.raises(ConfigError, match=r"needs ruamel.yaml; .*pip install 'aiodoo\[cli\]'"):
        plan(declare(tmp_path, CRM))


SELECTIONS = {
    "all": ["111", "112", "113"],
    "[112]": ["112"],
    "{ids: [113, '111']}": ["113", "111"],
    "{organizations: ['*3']}": ["113"],
    "{organizations: [Organization 2], organization_ids: [70001]}": ["111", "112"],
    "{all: true, ids: [112]}": ["111", "112", "113"],
    "{all: true, exclude: {ids: [112]}}": ["111", "113"],
    "{all: true, exclude: {organizations: ['*1'], organization_ids: ['70002']}}": ["113"],
    "{organizations: ['*[12]'], ids: [113], exclude: {ids: [111]}}": ["112", "113"],
}


@pytest.mark.parametrize("teams", SELECTIONS)
def test_selections(teams: str, tmp_path: Path) -> None:
    """By all, id, organization name or pattern, organization id, less what is excluded."""
    text = edited(("teams: all", f"teams: {teams}"), ("    teams: [111]\n", ""))
    assert [team.id for team in plan(declare(tmp_path, text)).teams] == SELECTIONS[teams]


def test_listed_ids_ask_for_no_organizations(tmp_path: Path) -> None:
    """A token and one list: the ids are taken at their word."""
    plan(declare(tmp_path, edited(("teams: all", "teams: [111]"))), requests=2)


def test_all_teams_when_doo_names_none(tmp_path: Path) -> None:
    """An account without organizations: the message says what to do, and no team is read."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations_shape="embedded") as (doo, box):
            nothing = {"active_team": None, "_embedded": {"organizations": []}}
            box.script(
                Fault(
                    "replaced", on="organizations", status=200, body=json.dumps(nothing).encode(), acted=False
                )
            )
            with pytest.raises(
                ConfigError, match="4:8: teams means all teams, but doo names none; list their ids"
            ):
                await doo.desired.plan(declare(tmp_path, CRM))
            assert box.count("list") == 0

    simulate(main)


def test_all_teams_and_one_more_that_doo_does_not_name(tmp_path: Path) -> None:
    """A selection means whatever any part of it names; of a webhook, among the teams of the file."""
    text = edited(("teams: all", "teams: {all: true, ids: [999]}"))
    planned = plan(declare(tmp_path, text))
    assert [team.id for team in planned.teams] == ["111", "112", "113"]
    assert [problem.team_id for problem in planned.problems] == ["999"]
    with pytest.raises(ConfigError, match=r"webhooks\[1\].teams.ids\[0\] is team 999, which is not among"):
        plan(declare(tmp_path, edited(("teams: [111]", "teams: {all: true, ids: [999]}"))))


def test_all_teams_of_the_file_ask_for_no_organizations(tmp_path: Path) -> None:
    """What a webhook's `all` means the file says already."""
    text = edited(("teams: all", "teams: [111]"), ("    teams: [111]", "    teams: all"))
    assert len(plan(declare(tmp_path, text), requests=2)) == 2


def test_what_is_wrong_with_a_name_is_told_once(tmp_path: Path) -> None:
    """The description that is the name, as it was left out, is not told of a second time."""
    with pytest.raises(ConfigError) as caught:
        plan(declare(tmp_path, edited(('"crm: events"', '"crm: ${nope}"'))))
    assert len(str(caught.value).splitlines()) == 2


def test_the_ids_of_teams_may_come_from_variables(tmp_path: Path) -> None:
    """Selections are filled in, too."""
    text = edited(("teams: all", "teams: ['${only}']"), ("  host:", "  only: 111\n  host:"))
    assert [team.id for team in plan(declare(tmp_path, text)).teams] == ["111"]
