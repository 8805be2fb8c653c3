"""The laws, one judge or two for each, none of which asks the product for its opinion.

`ALWAYS` judge each commit, mail and message the moment it happens; `AT_REST` judge what is there when nothing is going on. Each
gives what is wrong in words, and nothing where all is right. To add a law: a judge there, its name here, a bug in planted.py."""

from simulation.always import ALWAYS
from simulation.at_rest import AT_REST, SECRET

__all__ = ["ALWAYS", "AT_REST", "SECRET"]
