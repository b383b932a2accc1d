"""DAVIS 2017 (Pont-Tuset et al., arXiv:1704.00675) as one object, in its official layout:

ROOT/JPEGImages/480p/<sequence>/00000.jpg
ROOT/Annotations/480p/<sequence>/00000.png      palette image: 0 is background, 1, 2, ... are objects
ROOT/ImageSets/2017/val.txt                     names of sequences

All objects together are foreground. Of the sequences that DAVIS 2016 has too, that gives its masks only approximately:
there, some objects beside the main one count as background.
"""

from __future__ import annotations

from ikebook.datasets.davis2016 import Davis2016


class Davis2017(Davis2016):
    """DAVIS 2017, all objects of a sequence as one: the validation set's sequences where `val.txt` lists them, else all.

    Scored like DAVIS 2016.

    Parameters
    ----------
    root : str or Path
        The folder that holds `JPEGImages`, or the one above it, as the official archive unpacks to (`DAVIS/`).
    resolution : str, default "480p"
        Or "Full-Resolution", where you have it.

    Raises
    ------
    InputError
        If the folder holds no DAVIS 2017.
    """

    name = "davis2017"
    title = "DAVIS 2017"
    several = True
    listings = "2017"
