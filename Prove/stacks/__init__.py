"""The installations that can be proved, by name."""

from stacks.sqlite import SQLiteStack

STACKS = {"sqlite": SQLiteStack}
