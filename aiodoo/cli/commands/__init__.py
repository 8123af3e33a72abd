"""The commands of the program, one file a group."""
