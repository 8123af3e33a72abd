"""Operations as plain data, and everything that decides how they are carried out. Pure: nothing here waits or sends."""

from aiodoo.operations.operations import Create, Delete, Ensure, Operation, Replace, Update, from_dict
from aiodoo.operations.recipes import Copies, NotCopied, copy_to_teams, move_hosts, rotate_secret

__all__ = [
    "Copies",
    "Create",
    "Delete",
    "Ensure",
    "NotCopied",
    "Operation",
    "Replace",
    "Update",
    "copy_to_teams",
    "from_dict",
    "move_hosts",
    "rotate_secret",
]
