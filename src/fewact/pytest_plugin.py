"""Empty: environments installed before the entry point was removed still import this module."""
