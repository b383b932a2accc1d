"""Handed-in notebooks, run where they can do no harm, and graded by checks that they can't reach: `ikebook grade`.

A notebook runs in a process of its own (`runner`, started by `jail`). Only answers leave it, as plain numbers, arrays and texts
(`wire`); functions stay inside, and are called from outside (`session`). The checks run in the process that grades, in which
there is not a line of a student's, so whatever a notebook prints, patches or writes, it can hand out answers and no verdict.
"""
