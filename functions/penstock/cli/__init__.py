"""The command line. Each command calls a use case; `answers` documents what `--json` gives, and its exit codes. Never part of the
deployed bundle."""
