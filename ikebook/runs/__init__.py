"""Whole runs: a video, or a data set, from files to files; stopped and started again at will, on one machine or many.

The paper's Sec. 6. One clip (`run`), a data set (`evaluate`), one very long video in parts (`parts`), where they run
(`cluster`), what lies in the folder of results (`results`), and reports on it (`report`).
"""
