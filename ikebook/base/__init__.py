"""What everything stands on, and what knows nothing of videos or graphs: errors, arrays, files, memory, downloads.

Not of the paper. Look here for how bad input is reported, how a file is written whole or not at all, where what does not
fit into memory goes, and how files of unknown origin are read.
"""
