"""Random lives keep every law. Bounded; `scripts/prove seeds 100000` lives many more."""

from simulation.lives import Life, Step, broken_by, life_of, shrunk
from simulation.planted import BUGS, planted
from support.faults import Fault

from proofs import seeds


def test_random_lives_break_no_law() -> None:
    proof = seeds.prove(400)
    assert proof.violations == []
    assert proof.unreached == []
    assert proof.counted["faults"] > 200


def test_a_seed_is_the_same_life_each_time() -> None:
    assert life_of(7) == life_of(7) != life_of(8)


def test_it_turns_red_when_a_guard_is_taken_out_and_says_the_seed() -> None:
    with planted(BUGS["a write has no precondition"]):
        proof = seeds.prove(40)
    assert not proof.holds
    assert proof.violations[0].startswith("seed ")


def test_a_life_that_fails_is_shrunk_to_what_it_takes() -> None:
    steps = [Step("feed", (1, 1, "red", 0)), Step("edit", ("taps/T3", "blue")), Step("echo"), Step("run", ("changes",))]
    life = Life((*steps, Step("time", (60,)), Step("approve", (0, "approve", ()))), (Fault("read", 1_000, "refused"),))
    with planted(BUGS["there is no backup"]):
        short = shrunk(life)
        assert broken_by(short).startswith("prior image:")
    assert [step.name for step in short.steps] == ["feed", "run", "approve"]
    assert short.faults == ()
    assert broken_by(life) == ""


def test_a_run_that_goes_on_with_less_than_the_dead_one_read_leaves_no_batch_that_never_opens() -> None:
    """Found by seed 1642: the packs of an instance that slept were more than those of the one that took over from it, whose
    stream was cut; the review waited for packs that nobody checked."""
    steps = (Step("feed", (1, 1, "colour 1", 0)), Step("feed", (2, 2, "colour 2", 0)), Step("run", ("changes",)))
    life = Life(steps, (Fault("change", 5, "zombie"), Fault("message", 19, "cut")), inline=0, people=1, approvals=1)
    assert broken_by(life) == ""
