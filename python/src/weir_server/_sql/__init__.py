"""Reads SQL: which rows and tables a statement depends on, or changes.

Pure: it knows no database and no Django. A statement is read once, what was found in it is kept by its text.

What a SELECT depends on is found by one rule. If a condition that holds for the whole result says `t.field = value`
(or `IN (…)`), then rows of `t` with another value can neither appear in the result nor change it. Such a table is
*pinned*; so is a tree of which the condition names one branch. A table that is only joined to rows that are known, by
its own primary key, and by which nothing is chosen or counted, is *followed*: the rows in the result are all that
matter. Every other table counts as a whole.
"""

from weir_server._sql.reader import Statements, read, tables_named
from weir_server._sql.schema import Pin, Schema, Table, Tree
from weir_server._sql.statement import Branch, Change, Followed, Insert, Pinned, Statement, Value

__all__ = [
    "Branch",
    "Change",
    "Followed",
    "Insert",
    "Pin",
    "Pinned",
    "Schema",
    "Statement",
    "Statements",
    "Table",
    "Tree",
    "Value",
    "read",
    "tables_named",
]
