"""What `scripts/prove` runs: each module proves one thing by trying it, and counts. `prove(count)` in each takes how much to try
and gives what came of it; a smaller count of the same is a test here."""
