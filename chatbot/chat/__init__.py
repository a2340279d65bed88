"""The chat: on a terminal, through a pipe, or all lines of a file at once."""
