"""Five hundred things that are no ids: what has been put into paths, headers, shells, databases and parsers elsewhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

# Apart from each other by spaces.
PATHS = """
.. ../ ../../ ../.. ./ . / // /// \\ \\\\ ..\\ ..\\..\\ ..;/ ..;/..;/ /..;/ .../ ..../ ....// ..././ .%2e %2e. %2e%2e
%2e%2e%2f %2e%2e/ ..%2f ..%5c ..%c0%af %c0%ae%c0%ae/ %252e%252e%252f ..%252f ..%00/ ..%0d/ ..%0a/ %2f %2F %5c %00 %0a
%0d%0a %09 %20 %23 %3f %3F %26 %3d %25 %u002e%u002e%u2215 \u2025 \u2024\u2024/ \uff0e\uff0e\uff0f \u2215..\u2215 \u29f5
\uff3c \u2044 5/../../oauth ../oauth /oauth oauth/.. ../../v1/oauth 111/webhooks 111/webhooks/12 webhooks/12
../team/222/webhooks init/events ../init/events 111/../222 111/./webhooks 111// 111/ /111 111#f 111?x=y 111?page=2
111&page=2 111;page=2 111;v=1 #f #/oauth ?x=y ?page=2 &x=y ;x=y :80 :443/ @evil.example @127.0.0.1 //evil.example
http://evil.example https://evil.example/ \\\\evil.example\\share file:///etc/passwd javascript:alert(1) data:text/html,x
gopher://x ftp://x ~ ~root * ** [1] [::1 [10.0.0.1] [fe80::1%eth0] [:::] {1} {team_id} ${team_id} $(id) `id` |id ;id &&id %7B1%7D <1> "1" '1' 1'-- 1"-- 1;--
1|1 1^1 1=1 1+1 1,2 1:2 ' " '' "" '--  ') "); '/**/OR/**/1=1 1/**/UNION/**/SELECT 1.0 .5 5. 1_000.0 -1.5 +1 ++1 --1=
NaN() 1e400. 1. <script>alert(1)</script> <!--x--> <?xml?> {{7*7}} ${7*7} #{7*7} <%=7*7%> *)(uid=* $ne [$gt]
{"$gt":""} %s%s%n %x%x \u0663 \uff11\uff12 \u2460 \u00b2 \u00bd \u0967 \U0001d7d9 \u2170 \u00e4 \u0430dmin \u212a
\u017f \u0131 \u0130 \u00df \ufb01 \u200b1 1\u200b \u200d \u2060 \ufeff1 1\u00ad \u202e21 \u2066 1\u2069 \u0301e
\U0001f600 e\u0301 0x31. 1e3.
""".split()  # noqa: SIM905

SPACED = [
    "", " ", "  ", "\t", "\n", "\r", "\r\n", "\0", "\x0b", "\x0c", "\x1b[31m", "\x7f", "\x80", "\xa0", "\ud800", "\udfff",
    "1\xa0", "1\u3000", "\u2028", "\u2029", " 1", "1 ", "1 2", "1\t", "1\n", "\n1", "1\r\n", "1\r\nX-A: b", "1\r\n\r\nGET /v1/oauth HTTP/1.1", "1\0", "\x001", "1\x00.json",
    "1 HTTP/1.1", "1 HTTP/1.1\r\nHost: evil.example", "1\x85", "1\x1c", "1\x1f", "\x08", "a" * 65, "1" * 65, "-" * 65, "a" * 4096,
    "1" * 5000, "a/" * 2000, "%2e" * 500, "../" * 100 + "etc/passwd", "\ud83d", "1\udc00", "\U0010ffff", "a\u0300" * 40,
]  # fmt: skip

OTHERS: list[Any] = [
    None, True, False, 1.5, 1e400, float("nan"), -0.5, b"12", bytearray(b"12"), ["12"], ("12",), {"12"}, {"id": "12"}, object(),
    12j, ..., NotImplemented, int, range(3), memoryview(b"12"), 10**65, -(10**64), lambda: "12", Exception("12"),
]  # fmt: skip

TEXTS = list(dict.fromkeys([*PATHS, *SPACED]))
WRAPPED = [
    made
    for text in PATHS
    for made in ("111" + text, text + "111", quote("111/" + text, safe=""))
    if made not in TEXTS
]
PAYLOADS: list[Any] = [*TEXTS, *WRAPPED, *OTHERS]
