"""The WorkSpaces login bot: a login comes in, the right people hear of it."""
