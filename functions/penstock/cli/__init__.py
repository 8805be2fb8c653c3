"""The command line. Each command calls a use case; `answers` documents what `--json` gives. Never part of the deployed bundle."""
