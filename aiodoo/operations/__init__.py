"""Operations as plain data, and everything that decides how they are carried out. Pure: nothing here waits or sends."""

from aiodoo.operations.operations import Create, Delete, Ensure, Operation, Replace, Update

__all__ = ["Create", "Delete", "Ensure", "Operation", "Replace", "Update"]
