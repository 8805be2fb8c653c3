"""What can be done with a link, a token and a code."""

from __future__ import annotations

from attacks.lab import WRONG, Lab
from attacks.registry import attack, replaced

SECTION = "token and link"


@attack(SECTION, guard="the code beside the link", without=replaced("penstock.core.tokens.same_code", lambda *_: True))
def whoever_has_the_link_alone_decides(lab: Lab) -> object:
    seen = lab.review()
    lab.send(seen, code=WRONG)
    return lab.batch(seen).decisions
