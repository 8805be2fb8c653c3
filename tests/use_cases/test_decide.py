"""Decisions: who may take them, what they must say, and what happens when two come at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from penstock.core import layout, tokens
from penstock.core.batch import Status
from penstock.core.codec import to_data
from penstock.core.errors import Conflict, InvalidInput, OutcomeUnknown, PenstockError, Refused, Unavailable
from penstock.core.packs import digest_of
from penstock.core.records import Delete, Set, Update
from penstock.core.values import dumps
from penstock.use_cases import effects
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said, WrongCode, decide, decide_by_link, find_link, parse_verdict
from penstock.use_cases.reviewing import review_by_link
from penstock.use_cases.sweep import sweep
from support import network as net
from support.faults import Faults, PlainPages
from support.rest import assert_sound, changes, content, entries, facts, settle
from support.world import APPROVER, KEYS, World

LERATO = "lerato@example.org"


def opened(*records: Any, people: tuple[str, ...] = (APPROVER,), approvals: int | None = None, **more: Any) -> World:
    world = World(pages=PlainPages(), people={"fibre_approvers": people}, approvals=approvals, **more)
    net.feed(world, records or net.network(range(1, 4)))
    world.run()
    return world


def batch_of(world: World) -> str:
    return str(load_target(world.outside).state.open)


def post(world: World, said: Said, to: str = APPROVER, code: str | None = None) -> Any:
    token, right = world.link(to)
    batch, owed = decide_by_link(world.ctx, token, right if code is None else code, said)
    effects.pay(world.ctx, owed)
    world.pump()
    return world.batch(batch.id)


def blocked() -> World:
    """A pole without the coordinates it must have, and its drop."""
    return opened(net.record("1-0", 1, drop=10), net.record("2-0", 2, drop=20, Latitude="", Longitude=""))


# who --------------------------------------------------------------------------------------------------------------------


def test_an_approval_promotes_and_is_named_in_the_record() -> None:
    world = opened()
    assert post(world, Said("approve")).status is Status.APPLIED
    stamp = world.documents("planned-poles")[net.name(1)]["penstock"]
    assert stamp["approvedBy"] == [APPROVER]


def test_nobody_approves_what_they_started_however_they_spell_themselves() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    world.run("changes", "Thandi+ops@Example.org")
    with pytest.raises(Refused, match="nobody approves what they started"):
        post(world, Said("approve"))


def test_a_stranger_decides_nothing() -> None:
    world = opened()
    batch = world.batch(batch_of(world))
    with pytest.raises(Refused, match="is not an approver"):
        decide(world.ctx, batch.id, batch.digest, "mallory@example.org", Said("approve"))


def test_one_person_under_two_spellings_is_one_voice() -> None:
    world = opened(people=(APPROVER, LERATO), approvals=2)
    post(world, Said("approve"))
    batch = world.batch(batch_of(world))
    with pytest.raises(Refused, match="has decided on this batch already"):
        decide(world.ctx, batch.id, batch.digest, "THANDI+again@example.org", Said("approve"))
    assert world.batch(batch.id).status is Status.UNDER_REVIEW


def test_two_approvals_are_needed_where_two_are_asked_for() -> None:
    world = opened(people=(APPROVER, LERATO), approvals=2)
    assert post(world, Said("approve")).status is Status.UNDER_REVIEW
    assert world.documents("planned-poles") == {}
    assert post(world, Said("approve"), LERATO).status is Status.APPLIED
    assert_sound(world)


def test_one_refusal_of_two_refuses() -> None:
    world = opened(people=(APPROVER, LERATO), approvals=2)
    post(world, Said("approve"))
    assert post(world, Said("reject"), LERATO).status is Status.REJECTED
    assert world.documents("planned-poles") == {}


# two at once ------------------------------------------------------------------------------------------------------------


def between(world: World, act: Callable[[], Any]) -> None:
    """Let somebody else act just before the next decision is committed."""
    real, once = world.ctx.store.commit, [act]

    def commit(writes: Any) -> Any:
        if once and writes[0].path.startswith(layout.BATCHES):
            once.pop()()
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]


def test_of_two_approvers_at_once_one_decides_and_the_other_is_told_by_whom() -> None:
    world = opened(people=(APPROVER, LERATO))
    between(world, lambda: post(world, Said("approve"), LERATO))
    with pytest.raises(Refused, match=rf"is APPLIED already, by {LERATO}"):
        post(world, Said("reject"))
    assert len(world.documents("planned-poles")) == 3
    assert len(world.batch(next(iter(world.documents(layout.BATCHES)))).decisions) == 1
    assert_sound(world)


def test_of_two_needed_approvals_at_once_the_second_is_asked_again_and_not_thrown_away() -> None:
    world = opened(people=(APPROVER, LERATO), approvals=2)
    between(world, lambda: post(world, Said("approve"), LERATO))
    with pytest.raises(Refused, match=r"at the same moment.* Load the page again"):
        post(world, Said("approve"))
    assert post(world, Said("approve")).status is Status.APPLIED


def test_a_double_click_decides_once() -> None:
    world = opened()
    between(world, lambda: post(world, Said("approve")))
    with pytest.raises(Refused, match="already, by"):
        post(world, Said("approve"))
    with pytest.raises(Refused, match=f"takes no decision: it was decided by {APPROVER}"):
        post(world, Said("approve"))
    assert_sound(world)


def test_a_run_that_ends_meanwhile_makes_the_decision_void_and_says_so() -> None:
    world = opened()
    net.feed(world, [net.record("7-0", 7, day="2026-06-04")])
    token, code = world.link()
    between(world, world.run)
    with pytest.raises(Refused, match="SUPERSEDED already, by another run"):
        decide_by_link(world.ctx, token, code, Said("approve"))
    settle(world)
    assert world.documents("planned-poles") == {}


# the link -----------------------------------------------------------------------------------------------------------------


def test_looking_at_the_page_writes_nothing_at_all() -> None:
    faults = Faults()
    world = opened(wrap=faults.wrap)
    token, _ = world.link()
    faults.arm(0, "refused")
    before = world.production.bill.writes
    for page in (1, 2, -3, 10**9):
        assert review_by_link(world.ctx, token, page).open
    assert (faults.count, world.production.bill.writes) == (0, before)


def test_five_wrong_codes_lock_the_link_and_mail_a_new_one() -> None:
    world = opened()
    old, right = world.link()
    for left in (4, 3, 2, 1):
        with pytest.raises(WrongCode, match=f"{left} tries left"):
            decide_by_link(world.ctx, old, "222222", Said("approve"))
    with pytest.raises(WrongCode, match="locked") as locked:
        decide_by_link(world.ctx, old, "222222", Said("approve"))
    effects.pay(world.ctx, locked.value.owed)
    with pytest.raises(Refused, match="locked"):
        decide_by_link(world.ctx, old, right, Said("approve"))
    assert not review_by_link(world.ctx, old).open
    assert len(world.mailer.mailbox) == 2
    assert world.link()[0] != old
    assert post(world, Said("approve")).status is Status.APPLIED


def test_a_decision_without_the_code_is_no_try_and_decides_nothing() -> None:
    world = opened()
    for _ in range(6):
        with pytest.raises(InvalidInput, match="6 letters and digits"):
            post(world, Said("approve"), code="")
    assert world.batch(batch_of(world)).status is Status.UNDER_REVIEW


def test_a_link_dies_with_its_key() -> None:
    world = opened()
    token, _ = world.link()
    world.ctx.ports.keys["k0"] = bytes(32)  # type: ignore[index]
    try:
        assert find_link(world.ctx, token)
        kept = world.ctx.ports.keys.pop("k1")  # type: ignore[attr-defined]
        with pytest.raises(Refused, match="is not known"):
            find_link(world.ctx, token)
    finally:
        world.ctx.ports.keys.clear()  # type: ignore[attr-defined]
        world.ctx.ports.keys["k1"] = kept  # type: ignore[index]


def test_a_link_expires() -> None:
    world = opened()
    token, code = world.link()
    world.clock.forward(7 * 86_400)
    with pytest.raises(Refused, match="expired"):
        decide_by_link(world.ctx, token, code, Said("approve"))
    assert "expired" in review_by_link(world.ctx, token).why_closed


def test_a_link_of_an_older_batch_explains_and_leads_on() -> None:
    world = opened()
    token, code = world.link()
    first = batch_of(world)
    net.feed(world, [net.record("7-0", 7, day="2026-06-04")])
    second = world.run().batch
    page = review_by_link(world.ctx, token)
    assert (page.batch.id, page.open, page.link_to) == (first, False, second)
    assert "newer run replaced" in page.why_closed
    with pytest.raises(Refused, match="SUPERSEDED"):
        decide_by_link(world.ctx, token, code, Said("approve"))


def test_a_decision_on_an_old_digest_is_refused() -> None:
    world = opened()
    batch = world.batch(batch_of(world))
    with pytest.raises(Refused, match="was changed after this page was made"):
        decide(world.ctx, batch.id, "0" * 64, APPROVER, Said("approve"))
    token, code = world.link()
    path = layout.batch(batch.id)
    world.production.commit([Update(path, {"digest": "1" * 64}, (("digest",),))])
    with pytest.raises(Refused):
        decide_by_link(world.ctx, token, code, Said("approve"))


def test_a_token_that_is_too_long_or_not_ascii_is_not_even_looked_up() -> None:
    world = opened()
    token, _ = world.link()
    before = world.production.bill.reads
    for given in (token + "A" * 200, "k1." + "A" * 198, token.replace("k1", "ｋ1")):
        with pytest.raises(Refused, match="This link: is not known"):
            find_link(world.ctx, given)
    assert world.production.bill.reads == before
    with pytest.raises(Refused, match="This link: is not known"):
        find_link(world.ctx, "k1." + "A" * 197)
    assert world.production.bill.reads == before + 1


def test_a_link_of_another_target_is_not_known() -> None:
    world = opened()
    token, _ = world.link()
    path = find_link(world.ctx, token).snapshot.path
    other = replace(find_link(world.ctx, token).grant, target="fibre_network.other")
    stolen = tokens.token(KEYS, "k1", other)
    world.production.commit(
        [Set(layout.token(tokens.hash_of(stolen)), {**world.production.get([path])[0].fields, **tokens.stored(other)})]
    )
    with pytest.raises(Refused, match="This link: is not known"):
        find_link(world.ctx, stolen)


def test_a_link_that_is_there_under_a_hash_that_is_not_its_own_is_not_known() -> None:
    world = opened()
    token, _ = world.link()
    fields = world.production.get([find_link(world.ctx, token).snapshot.path])[0].fields
    world.production.commit([Set(layout.token(tokens.hash_of("k1.forged")), fields)])
    with pytest.raises(Refused, match="This link: is not known"):
        find_link(world.ctx, "k1.forged")


def link_of(world: World, token: str) -> Any:
    return find_link(world.outside, token).snapshot.fields


def test_a_link_that_decided_is_used_and_says_when() -> None:
    world = opened(people=(APPROVER, LERATO), approvals=2)
    token, _ = world.link()
    assert find_link(world.ctx, token).recipient == APPROVER
    before = world.clock.time
    post(world, Said("approve"))
    used = link_of(world, token)
    assert (used["state"], used["tries"]) == ("used", 0)
    assert before < used["checked_at"] < used["used_at"] < world.clock.time


def test_a_wrong_code_is_counted_and_the_link_stays_open_till_the_last() -> None:
    world = opened()
    token, _ = world.link()
    with pytest.raises(WrongCode) as told:
        decide_by_link(world.ctx, token, "222222", Said("approve"))
    assert told.value.owed == ()
    assert told.value.remedy
    assert (link_of(world, token)["tries"], link_of(world, token)["state"]) == (1, "open")
    for _ in range(4):
        with pytest.raises(WrongCode) as told:
            decide_by_link(world.ctx, token, "222222", Said("approve"))
    assert (link_of(world, token)["tries"], link_of(world, token)["state"]) == (5, "locked")
    assert len(told.value.owed) == 1
    effects.pay(world.ctx, told.value.owed)
    assert link_of(world, world.link()[0])["serial"] == link_of(world, token)["serial"] + 1
    assert "used_at" not in link_of(world, token)


def test_the_mail_with_the_new_link_goes_out_though_whoever_locked_the_old_one_is_gone() -> None:
    world = opened()
    old, _ = world.link()
    for _ in range(5):
        with pytest.raises(WrongCode):
            decide_by_link(world.ctx, old, "222222", Said("approve"))
    settle(world)
    assert world.link()[0] != old
    assert post(world, Said("approve")).status is Status.APPLIED


def test_a_link_is_good_until_the_moment_that_it_names_and_not_at_it() -> None:
    world = opened()
    token, code = world.link()
    grant = find_link(world.ctx, token).grant
    world.clock.time = grant.expires_at.plus(-0.001)  # the next look is at that moment
    ctx = replace(world.ctx, ports=replace(world.ports, now=lambda: grant.expires_at))
    with pytest.raises(Refused, match="expired at"):
        decide_by_link(ctx, token, code, Said("approve"))
    ctx = replace(world.ctx, ports=replace(world.ports, now=lambda: grant.expires_at.plus(-0.001)))
    decide_by_link(ctx, token, code, Said("approve"))


def test_a_key_is_good_until_the_moment_at_which_it_retires_and_not_at_it() -> None:
    world = opened()
    token, _ = world.link()
    until = world.clock.time.plus(3_600)
    for now, good in ((until.plus(-0.001), True), (until, False)):
        ctx = replace(world.ctx, ports=replace(world.ports, keys_until={"k1": until}, now=lambda now=now: now))  # type: ignore[misc]
        if good:
            assert find_link(ctx, token)
        else:
            with pytest.raises(Refused, match="retired at"):
                find_link(ctx, token)


def test_a_link_that_is_taken_away_meanwhile_decides_nothing_and_is_not_made_again() -> None:
    world = opened()
    token, code = world.link()
    path = find_link(world.ctx, token).snapshot.path
    between(world, lambda: world.production.commit([Delete(path)]))
    with pytest.raises(Refused, match="was not decided"):
        decide_by_link(world.ctx, token, code, Said("approve"))
    assert not world.production.get([path])[0].exists
    assert world.batch(batch_of(world)).status is Status.UNDER_REVIEW


def test_a_link_for_something_else_does_not_decide() -> None:
    world = opened()
    token, _ = world.link()
    link = find_link(world.ctx, token)
    looks = replace(link.grant, purpose="look")
    other = tokens.token(KEYS, "k1", looks)
    world.production.commit([Set(layout.token(tokens.hash_of(other)), {**link.snapshot.fields, **tokens.stored(looks)})])
    with pytest.raises(Refused, match="is not one for deciding"):
        decide_by_link(world.ctx, other, tokens.code(KEYS, "k1", looks), Said("approve"))


def test_a_link_to_a_batch_as_it_was_does_not_decide_on_it_as_it_is() -> None:
    world = opened()
    token, _ = world.link()
    link = find_link(world.ctx, token)
    stale = replace(link.grant, digest="0" * 64)
    other = tokens.token(KEYS, "k1", stale)
    world.production.commit([Set(layout.token(tokens.hash_of(other)), {**link.snapshot.fields, **tokens.stored(stale)})])
    with pytest.raises(Refused, match="was changed after this page was made"):
        decide_by_link(world.ctx, other, tokens.code(KEYS, "k1", stale), Said("approve"))
    assert world.batch(batch_of(world)).status is Status.UNDER_REVIEW


def test_codes_tried_at_the_same_time_are_not_answered_and_not_lost() -> None:
    world = opened()
    token, code = world.link()
    path = find_link(world.ctx, token).snapshot.path
    real, tries = world.ctx.store.commit, []

    def commit(writes: Any) -> Any:
        if writes[0].path == path:
            tries.append(1)
            real([Update(path, {"checked_at": world.clock()}, (("checked_at",),))])  # somebody else's try is counted first
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    for typed in (code, "222222"):
        tries.clear()
        with pytest.raises(WrongCode, match="The code was not checked") as told:
            decide_by_link(world.ctx, token, typed, Said("approve"))
        assert (len(tries), told.value.owed) == (3, ())
    world.ctx.store.commit = real  # type: ignore[method-assign]
    assert link_of(world, token)["tries"] == 0
    assert world.batch(batch_of(world)).decisions == ()


@pytest.mark.parametrize("error", [Conflict, OutcomeUnknown])
def test_a_right_code_whose_count_was_lost_once_still_decides(error: type[PenstockError]) -> None:
    world = opened()
    token, code = world.link()
    path = find_link(world.ctx, token).snapshot.path
    real, down = world.ctx.store.commit, [True]

    def commit(writes: Any) -> Any:
        if down and writes[0].path == path:
            down.clear()
            raise error("was lost")
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    batch, _ = decide_by_link(world.ctx, token, code, Said("approve"))
    assert batch.status is Status.APPROVED


def test_a_decision_that_always_meets_others_at_the_target_is_refused_after_three_tries() -> None:
    world = opened()
    token, code = world.link()
    real, tries = world.ctx.store.commit, []

    def commit(writes: Any) -> Any:
        if writes[0].path.startswith(layout.BATCHES):
            tries.append(1)
            raise Conflict("the target was written meanwhile")
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    with pytest.raises(Refused, match="was not decided"):
        decide_by_link(world.ctx, token, code, Said("approve"))
    assert len(tries) == 3
    world.ctx.store.commit = real  # type: ignore[method-assign]
    assert world.batch(batch_of(world)).status is Status.UNDER_REVIEW


# what -------------------------------------------------------------------------------------------------------------------


def test_a_blocker_needs_a_word_of_its_own() -> None:
    world = blocked()
    with pytest.raises(InvalidInput, match="with a blocker were given no word"):
        post(world, Said("approve"))
    assert world.batch(batch_of(world)).status is Status.UNDER_REVIEW
    batch = post(world, Said("approve", {"rule:required": "approve"}))
    assert (batch.status, batch.applied) == (Status.APPLIED, 4)


def told_in_the_record(world: World, step: str, batch: Any) -> Any:
    """What the record says of this step of a batch, beside its digest and its last decision."""
    (entry,) = [e for e in entries(world) if (e["batch"], e["what"]) == (batch.id, step)]
    told, decision = dict(entry["detail"]), batch.decisions[-1]
    assert entry["who"] == decision.by
    assert told.pop("decision") == digest_of(dumps(to_data(decision)))
    assert (told.pop("digest"), told.pop("verdict")) == (batch.digest, decision.verdict)
    told.pop("anchored", None)
    return told


def test_what_was_decided_stands_in_the_batch_and_in_the_record() -> None:
    world = blocked()
    before = world.clock.time
    note = "x" * 3_000
    said = Said("approve", {"rule:required": "reject"}, {f"drops/{net.drop_name(20)}": "reject"}, note)
    batch = post(world, said)
    (decision,) = batch.decisions
    assert (decision.by, decision.digest, decision.verdict) == (APPROVER, batch.digest, "approve")
    assert (decision.groups, decision.changes) == (said.groups, {**said.changes})
    assert decision.note == note[:2_000]
    assert before < decision.at == batch.decided_at
    assert (batch.approved, batch.rejected) == (2, 2)
    assert told_in_the_record(world, "UNDER_REVIEW → APPROVED", batch) == {"approved": 2, "rejected": 2}


def test_an_operator_decides_under_their_own_name_with_their_whole_note() -> None:
    world = opened()
    batch = world.batch(batch_of(world))
    decided, owed = decide(world.ctx, batch.id, batch.digest, APPROVER, Said("reject", note="x" * 3_000))
    assert (decided.status, decided.decisions[0].by, len(decided.decisions[0].note)) == (Status.REJECTED, APPROVER, 3_000)
    assert decided.decided_at == decided.decisions[0].at
    assert (decided.approved, decided.rejected) == (0, 6)
    assert told_in_the_record(world, "UNDER_REVIEW → REJECTED", decided) == {"approved": 0, "rejected": 6}
    assert {w.data["kind"] for w in owed} == {"remember", "archive"}
    assert load_target(world.outside).state.open == ""


def test_while_a_batch_is_promoted_the_target_says_so_and_none_is_open() -> None:
    world = opened()
    batch = world.batch(batch_of(world))
    decided, owed = decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    state = load_target(world.outside).state
    assert (decided.status, state.open, state.applying) == (Status.APPROVED, "", batch.id)
    assert [w.data["kind"] for w in owed] == ["promote"]


def test_a_consent_that_is_not_the_last_leaves_the_batch_open_and_undated() -> None:
    world = opened(people=(APPROVER, LERATO), approvals=2)
    batch = world.batch(batch_of(world))
    after, owed = decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    assert (after.status, after.decided_at, owed) == (Status.UNDER_REVIEW, None, ())
    assert (after.approved, after.rejected, len(world.batch(batch.id).decisions)) == (0, 0, 1)
    assert told_in_the_record(world, "UNDER_REVIEW → UNDER_REVIEW", after) == {"approved": 0, "rejected": 0}
    assert (load_target(world.outside).state.open, load_target(world.outside).state.applying) == (batch.id, "")


def held(**more: Any) -> World:
    """A source that was emptied: the run is held, and people decide whether it may go on."""
    world = opened(**more)
    for person in more.get("people", (APPROVER,))[: more.get("approvals") or 1]:
        world.approve("approve", person)
    world.source.commit([Delete(f"{net.SOURCE}/{id}") for id, _ in net.network(range(1, 4))])
    assert world.run("full").held
    return world


def test_a_hold_is_decided_and_dated_and_told_in_the_record() -> None:
    for word, status, step in (
        ("approve", Status.APPROVED, "UNDER_REVIEW → APPROVED"),
        ("reject", Status.REJECTED, "UNDER_REVIEW → REJECTED"),
    ):
        world = held()
        batch = world.batch(batch_of(world))
        rules = {f"rule:{f.rule}": "approve" for f in batch.batch_findings}
        decided, owed = decide(world.ctx, batch.id, batch.digest, APPROVER, Said(word, rules))  # type: ignore[arg-type]
        assert (decided.status, decided.decided_at) == (status, decided.decisions[0].at)
        assert told_in_the_record(world, step, decided) == {}
        assert [w.data["kind"] for w in owed] == (["proceed"] if word == "approve" else [])
        state = load_target(world.outside).state
        assert state.hold is not None
        assert (state.open, state.hold.verdict) == ("", word)


def test_a_hold_waits_for_as_many_people_as_a_batch() -> None:
    world = held(people=(APPROVER, LERATO), approvals=2)
    batch = world.batch(batch_of(world))
    said = Said("approve", {f"rule:{f.rule}": "approve" for f in batch.batch_findings})
    after, owed = decide(world.ctx, batch.id, batch.digest, APPROVER, said)
    assert (after.status, after.decided_at, owed) == (Status.UNDER_REVIEW, None, ())
    assert told_in_the_record(world, "UNDER_REVIEW → UNDER_REVIEW", after) == {}
    state = load_target(world.outside).state
    assert state.hold is not None
    assert (state.open, state.hold.verdict) == (batch.id, "")
    assert decide(world.ctx, batch.id, batch.digest, LERATO, said)[0].status is Status.APPROVED


def test_of_two_people_asked_about_a_hold_the_first_refusal_refuses() -> None:
    world = held(people=(APPROVER, LERATO), approvals=2)
    batch = world.batch(batch_of(world))
    assert decide(world.ctx, batch.id, batch.digest, LERATO, Said("reject"))[0].status is Status.REJECTED


@pytest.mark.parametrize("word", ["approve", "reject"])
def test_a_hold_that_ends_while_it_is_decided_is_told_to_be_over(word: Any) -> None:
    world = held()
    batch = world.batch(batch_of(world))
    rules = {f"rule:{f.rule}": "approve" for f in batch.batch_findings}
    real, meanwhile = world.ctx.store.get, [True]

    def get(paths: Any, *more: Any, **named: Any) -> Any:
        if meanwhile and paths == [layout.target(world.ctx.id)]:
            meanwhile.clear()
            net.feed(world, net.network(range(1, 4)))
            world.run("full")
        return real(paths, *more, **named)

    world.ctx.store.get = get  # type: ignore[method-assign]
    with pytest.raises(Refused, match="is over: a run found nothing to hold any more") as told:
        decide(world.ctx, batch.id, batch.digest, APPROVER, Said(word, rules))
    assert (told.value.subject, told.value.remedy) == (batch.id, "Your decision was not needed.")
    assert world.batch(batch.id).status is Status.SUPERSEDED
    assert load_target(world.outside).state.hold is None


@pytest.mark.parametrize("text", ["approve", "reject"])
def test_a_verdict_is_one_of_two_words(text: str) -> None:
    assert parse_verdict(text) == text
    with pytest.raises(InvalidInput, match="is neither approve nor reject"):
        parse_verdict(text.upper())


def test_a_word_on_the_change_itself_counts_most() -> None:
    world = blocked()
    said = Said("approve", {"rule:required": "reject"}, {f"poles/{net.name(2)}": "approve"})
    assert post(world, said).applied == 4


def test_a_child_is_not_approved_without_its_new_parent() -> None:
    world = opened()
    against = {f"poles/{net.name(2)}": "reject", f"drops/{net.drop_name(20)}": "approve"}
    with pytest.raises(InvalidInput, match=r"would not be created.*as well"):
        post(world, Said("approve", changes=against))  # type: ignore[arg-type]
    batch = post(world, Said("approve", changes={f"poles/{net.name(2)}": "reject"}))
    assert (batch.applied, batch.rejected) == (4, 2)
    assert batch.decisions[0].changes == {f"poles/{net.name(2)}": "reject", f"drops/{net.drop_name(20)}": "reject"}
    assert_sound(world)


def test_a_change_that_is_not_there_cannot_be_named() -> None:
    world = opened()
    with pytest.raises(InvalidInput, match="are not in this batch"):
        post(world, Said("approve", changes={"poles/NO.SUCH": "reject"}))


def test_a_whole_group_or_kind_can_be_refused() -> None:
    world = opened()
    batch = post(world, Said("approve", {"entity:drops": "reject", f"group:{net.name(1)}": "reject"}))
    assert (batch.applied, batch.rejected) == (2, 4)
    assert set(world.documents("planned-poles")) == {net.name(2), net.name(3)}
    assert world.documents("drops") == {}


def test_a_mass_change_needs_one_word_and_that_one_decides_all_of_it() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 302), drops=0))
    world.run()
    world.approve("approve")
    net.feed(world, net.network(range(1, 302), drops=0, PONs="77", day="2026-06-09"))
    world.run()
    batch = world.batch(batch_of(world))
    assert [f.field for f in batch.batch_findings if f.rule == "mass_change"] == ["ponNumber"]
    brake = {f"rule:{f.rule}": "approve" for f in batch.batch_findings if not f.field}
    with pytest.raises(InvalidInput, match="held by mass_change"):
        post(world, Said("approve", brake))  # type: ignore[arg-type]
    done = post(world, Said("approve", {**brake, "mass:ponNumber": "approve"}))  # type: ignore[arg-type]
    assert done.applied == 301
    assert world.documents("planned-poles")[net.name(300)]["ponNumber"] == "77"


def test_a_brake_can_only_be_approved_knowingly() -> None:
    world = opened(*net.network(range(1, 4)))
    world.approve("approve")
    net.feed(world, net.network(range(1, 4), Sections="9", day="2026-06-09"))
    world.run()
    with pytest.raises(InvalidInput, match="held by brake"):
        post(world, Said("approve"))
    with pytest.raises(InvalidInput, match="held by brake"):
        post(world, Said("approve", {"rule:brake": "reject"}))
    assert post(world, Said("approve", {"rule:brake": "approve"})).status is Status.APPLIED


# what is carried and what is remembered -----------------------------------------------------------------------------------


def test_the_first_consent_is_carried_to_the_same_content_of_the_next_batch() -> None:
    world = opened(people=(APPROVER, LERATO), approvals=2)
    post(world, Said("approve"))
    net.feed(world, [net.record("7-0", 7, day="2026-06-04")])
    second = world.run().batch
    batch = post(world, Said("approve"), LERATO)
    assert batch.id == second
    assert batch.status is Status.UNDER_REVIEW  # the new pole has one consent yet
    batch = post(world, Said("approve"))
    assert (batch.status, batch.applied) == (Status.APPLIED, 7)
    assert_sound(world)


def test_a_carried_consent_alone_and_a_second_one_approve_when_nothing_is_new() -> None:
    world = opened(people=(APPROVER, LERATO), approvals=2)
    post(world, Said("approve"))
    world.source.commit([Update(f"{net.SOURCE}/3-0", {"PONs": "8", "lst_mod_dt": "2026-06-05"}, (("PONs",), ("lst_mod_dt",)))])
    second = world.run().batch
    said = dict.fromkeys((f"poles/{net.name(3)}", f"drops/{net.drop_name(30)}"), "reject")
    batch = post(world, Said("approve", changes=said), LERATO)  # type: ignore[arg-type]
    assert (batch.id, batch.status, batch.applied, batch.rejected) == (second, Status.APPLIED, 4, 2)


def test_who_starts_the_next_run_does_not_carry_a_consent_into_it() -> None:
    world = opened(people=(APPROVER, LERATO, "sipho@example.org"), approvals=2)
    post(world, Said("approve"))
    net.feed(world, [net.record("7-0", 7, day="2026-06-04")])
    world.run("changes", APPROVER)
    batch = post(world, Said("approve"), LERATO)
    assert batch.approved == 0
    assert batch.status is Status.UNDER_REVIEW


def test_a_consent_is_not_carried_to_a_change_that_a_blocker_has_come_to() -> None:
    world = opened(net.record("1-0", 1, drop=10), people=(APPROVER, LERATO), approvals=2)
    post(world, Said("approve"))
    before = content(world, batch_of(world))
    net.feed(world, net.network([2], drops=1, Drop_Number=net.drop_name(10), day="2026-06-04"))  # a rival claims the drop
    second = world.run().batch
    assert set(before) & set(content(world, second))
    batch = world.batch(second)
    rules = {f"rule:{rule}": "approve" for rule, of in batch.findings.items() if "blocker" in of}
    rival = next(c.key for c in changes(world, second) if "#" in c.key)
    decided = post(world, Said("approve", rules, {rival: "reject"}), LERATO)  # type: ignore[arg-type]
    assert decided.status is Status.UNDER_REVIEW


@pytest.mark.parametrize("mode", ["changes", "full"])
def test_a_refused_change_is_not_proposed_again_until_its_value_changes(mode: Any) -> None:
    world = opened()
    world.approve("approve")
    net.feed(world, [net.record("2-0", 2, drop=20, PONs="9", Sections="3", day="2026-06-04")])
    world.run()
    drop = f"drops/{net.drop_name(20)}"
    batch = post(world, Said("approve", {"rule:brake": "approve"}, {drop: "reject"}))
    assert (batch.applied, batch.rejected) == (1, 1)
    assert world.run(mode).batch == ""
    assert world.run("full").tallies["drops"].declined == 1
    net.feed(world, [net.record("2-0", 2, drop=20, PONs="9", Sections="4", day="2026-06-05")])
    (change,) = [c for c in changes(world, world.run(mode).batch) if c.key == drop]
    assert ("zoneNumber",) in change.mask  # what was refused stays refused, its neighbour is news
    assert ("ponNumber",) not in change.mask


def test_a_refused_value_that_comes_back_after_another_is_proposed_again() -> None:
    world = opened()
    world.approve("approve")
    for pon, day, proposed in (
        ("9", "2026-06-04", True),
        ("9", "2026-06-05", False),
        ("4", "2026-06-06", False),
        ("9", "2026-06-07", True),
    ):
        net.feed(world, [net.record("2-0", 2, drop=20, PONs=pon, day=day)])
        world.run()
        assert bool(batch_of(world)) is proposed, day
        if proposed:
            post(world, Said("reject"))


def test_a_new_record_refused_as_a_whole_is_not_proposed_again_until_it_changes() -> None:
    world = opened()
    assert post(world, Said("reject")).status is Status.REJECTED
    assert world.run("full").batch == ""
    net.feed(world, [net.record("2-0", 2, drop=20, PONs="9", day="2026-06-04")])
    again = world.run().batch
    assert {c.key for c in changes(world, again)} == {f"poles/{net.name(2)}", f"drops/{net.drop_name(20)}"}


def test_an_expired_batch_is_proposed_again_by_the_next_run() -> None:
    world = opened()
    first = batch_of(world)
    world.clock.forward(7 * 86_400 + 10)
    settle(world)

    world.sweep()
    assert world.batch(first).status is Status.EXPIRED
    (entry,) = (e for e in world.documents("penstock_audit").values() if e["what"] == "UNDER_REVIEW → EXPIRED")
    assert entry["who"] == "engine"
    second = world.run().batch
    assert content(world, second) == content(world, first)
    assert post(world, Said("approve")).applied == 6


def test_every_refusal_says_what_to_do_next() -> None:
    world = blocked()
    token, code = world.link()
    batch = world.batch(batch_of(world))
    tries: list[Callable[[], Any]] = [
        lambda: decide_by_link(world.ctx, token, "x", Said("approve")),
        lambda: decide_by_link(world.ctx, token, code, Said("approve")),
        lambda: decide_by_link(world.ctx, "nothing", code, Said("approve")),
        lambda: decide(world.ctx, batch.id, "old", APPROVER, Said("approve")),
        lambda: decide(world.ctx, batch.id, batch.digest, "x@example.org", Said("approve")),
        lambda: decide(world.ctx, "fibre_network.fibreflow.20260101t000000-000000", "", APPROVER, Said("approve")),
    ]
    for attempt in tries:
        with pytest.raises(PenstockError) as told:
            attempt()
        assert told.value.remedy
    assert not [f for f in facts(world).values() if f["kind"] == "promote"]


def test_links_of_an_older_key_work_in_its_grace_and_are_refused_after_it() -> None:
    world = opened()
    token, code = world.link()
    link = find_link(world.ctx, token)
    until = world.clock.time.plus(3_600)
    keys = {"k2": bytes(range(1, 33)), **KEYS}
    rotated = replace(world.ctx, ports=replace(world.ports, keys=keys, keys_until={"k1": until}))
    assert find_link(rotated, token).grant == link.grant
    world.clock.forward(3_600)
    with pytest.raises(Refused, match="retired at") as told:
        decide_by_link(rotated, token, code, Said("approve"))
    assert told.value.remedy
    assert find_link(world.ctx, token)  # where it is not to be retired


def test_a_mail_whose_key_is_gone_is_told_and_stops_no_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(pages=PlainPages())
    world.patient = True
    net.feed(world, net.network(range(1, 3)))

    def down(_: Any) -> None:
        raise Unavailable("no mail now")

    monkeypatch.setattr(world.mailer, "send", down)
    world.run()
    monkeypatch.undo()
    gone = replace(world.ctx, ports=replace(world.ports, keys={"new": bytes(range(1, 33))}))
    world.clock.forward(10_000)
    assert any("not among the token keys" in line for line in sweep(gone))
    assert not world.mailer.sent
    world.clock.forward(10_000)
    world.sweep()
    assert world.mailer.sent
