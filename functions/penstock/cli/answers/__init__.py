"""What each command answers with `--json`: one JSON object on stdout, with exactly the fields of one of the classes in these
modules.

Moments are RFC 3339 in UTC, "" where there is none. Values of documents are in the exact text form of `core.values`: what JSON
lacks is an object with one key, such as `{"$time": "2026-01-31T02:00:00Z"}`. Every answer has `next_steps`: the commands that
make sense now, ready to be run. Fields are added in time; none is taken away or given another meaning.

Exit codes: 0 done; 1 something was found or refused; 2 the command was wrong; 3 it failed."""
