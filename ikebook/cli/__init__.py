"""The command line, a file for each command: `ikebook segment`, `demo`, `evaluate`, `report`, `bench`, ...

Reads words, calls the rooms below, prints what came of it.
"""

from ikebook.base.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, {"main": "command_line", "parser": "command_line"})
