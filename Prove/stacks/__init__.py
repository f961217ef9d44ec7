"""The installations that can be proved, by name."""

from stacks.postgres import PostgresStack
from stacks.sqlite import SQLiteStack

STACKS = {"sqlite": SQLiteStack, "postgres": PostgresStack}
