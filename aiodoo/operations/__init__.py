"""What a caller wants changed, as plain data, and everything that decides how it is done. Pure: nothing here waits or sends."""

from aiodoo.operations.operations import Create, Delete, Ensure, Operation, Replace, Update

__all__ = ["Create", "Delete", "Ensure", "Operation", "Replace", "Update"]
