"""The whole system in one process: seeded clock, ids and message delivery, faults at every port, and judges that see all of it.

    scenarios.py   lives of a batch, each a few acts: ADD ONE HERE (it is then struck at every boundary in every mode by itself)
    acts.py        what the schedule, people and other programs do: one small function each
    woods.py       the same of a tree: units of a landlord in a tenant's production, in the worlds of parishes.py and, for
                   several targets that share what is read, dioceses.py
    laws.py        what must hold, one judge for each law; the first word of what they say is the law's name
    trees.py       what must hold of a tree besides
    journal.py     what really happened below the faults: the judges' eyes, and the histories for a replay elsewhere
    simulation.py  a Penstock on the memory adapters with all of that around it; the way to rest; zombies
    play.py        a scenario with faults, held against the calm one; where its boundaries are
    lives.py       random lives from a seed, and how one that fails is shrunk and replayed
    wood_lives.py  what may happen in those of a tree beside
    history.py     every call to the databases with its answer, written down
    replay.py      the same calls to other stores, the answers compared
    planted.py     a bug for each law, switched on in a test alone

`scripts/prove exhaustive`, `pairs`, `seeds` run them; bounded, `tests/proofs/test_*.py`, `tests/simulation/test_planted.py`."""
