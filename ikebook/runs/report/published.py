"""Published numbers, to put beside ours: the paper's Tables 1 to 7, and methods that came after it.

All are quoted, none was measured here. Those of the paper's tables were collected by its authors, on whole data sets.
"""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "Haller, Florea, Leordeanu: TPAMI 2022, doi:10.1109/TPAMI.2021.3120228"


@dataclass(frozen=True, kw_only=True)
class Published:
    """One method's scores on one data set.

    Parameters
    ----------
    table : int
        The paper's table that it belongs beside.
    method : str
    year : int
        Of its publication.
    source : str
        Where the scores are from.
    labels : bool
        Whether human labels, of any kind and at any stage, went into it.
    J, F : float, optional
        Region similarity and contour accuracy, percent, mean over sequences.
    f_beta, mae : float, optional
        F-measure (beta^2 = 0.3) and mean absolute error, in [0, 1].
    oracle : bool, optional
        Whether ground truth chose among its answers (which segment is the object, say); None where that is not known.
    note : str, default ""
        What else a reader has to know.
    """

    table: int
    method: str
    year: int
    source: str
    labels: bool
    J: float | None = None
    F: float | None = None
    f_beta: float | None = None
    mae: float | None = None
    oracle: bool | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A row of the paper's Table 3: relative changes between cycles, percent, mean of four data sets.

    Parameters
    ----------
    method : str
    x2, x3 : float
        From the first graph to the second, and from there to the third.
    s1, s2 : float or None
        From the first graph to the first network, and from there to the second.
    """

    method: str
    x2: float
    x3: float
    s1: float | None
    s2: float | None


DATASETS = {1: "davis2016", 2: "davis2016", 4: "davsod", 5: "segtrackv2", 6: "youtube-objects", 7: "davis2016"}
"""The data set of each table; Table 3 is the mean of the four."""

WHOLE = {"davis2016": 20, "davsod": 35, "segtrackv2": 14, "youtube-objects": 126}
"""Sequences that the published scores are means of."""

TITLES = {
    1: "Unsupervised graph, first cycle, by flow",
    2: "Graph with borrowed features, first cycle",
    3: "Relative change between cycles",
    4: "DAVSOD",
    5: "SegTrack v2",
    6: "YouTube-Objects",
    7: "DAVIS 2016",
}

TABLE_3 = (
    Change(method="IKE", x2=10.4, x3=1.7, s1=7.0, s2=2.1),
    Change(method="IKE without network", x2=1.3, x3=0.4, s1=None, s2=None),
    Change(method="IKE with DeepLabv3", x2=2.2, x3=1.0, s1=0.3, s2=0.5),
    Change(method="IKE with FCN", x2=2.8, x3=0.5, s1=0.6, s2=0.6),
)


def _of(table: int, labels: bool, *rows: tuple[str, int, float, float | None]) -> list[Published]:
    """Rows (method, year, J, F) of one of the paper's tables."""
    source = f"Table {table} of the paper"
    return [
        Published(table=table, method=method, year=year, source=source, labels=labels, J=j, F=f)
        for method, year, j, f in rows
    ]


def _davsod(labels: bool, *rows: tuple[str, int, float, float]) -> list[Published]:
    """Rows (method, year, F-measure, MAE) of the paper's Table 4."""
    return [
        Published(table=4, method=method, year=year, source="Table 4 of the paper", labels=labels, f_beta=f, mae=mae)
        for method, year, f, mae in rows
    ]


def _later(
    method: str, year: int, source: str, j: dict[int, float], *, oracle: bool | None = None, note: str = ""
) -> list[Published]:
    """A method that came after the paper, or is not in it, and saw no label: its mean J beside some of the tables."""
    return [
        Published(table=table, method=method, year=year, source=source, labels=False, J=score, oracle=oracle, note=note)
        for table, score in j.items()
    ]


PUBLISHED: tuple[Published, ...] = (
    *_of(
        1,
        False,
        ("IKE graph, M and F from FlowNet2.0", 2022, 68.1, 65.6),
        ("IKE graph, M from FlowNet2.0, F from both", 2022, 70.6, 68.4),
        ("IKE graph, M and F from RAFT", 2022, 70.7, 67.0),
        ("IKE graph, M from RAFT, F from both", 2022, 70.8, 68.6),
    ),
    *_of(
        2,
        True,
        ("FCN backbone", 2022, 66.5, 64.3),
        ("IKE graph with FCN, FlowNet2.0", 2022, 76.6, 74.6),
        ("IKE graph with FCN, RAFT", 2022, 78.2, 75.9),
        ("DeepLabv3 backbone", 2022, 67.0, 64.8),
        ("IKE graph with DeepLabv3, FlowNet2.0", 2022, 77.4, 74.7),
        ("IKE graph with DeepLabv3, RAFT", 2022, 77.7, 75.3),
        ("3DC-Seg", 2020, 84.3, 84.7),
        ("IKE graph with 3DC-Seg, RAFT", 2022, 85.9, 85.3),
        ("MATNet", 2020, 82.4, 80.7),
        ("IKE graph with MATNet, RAFT", 2022, 84.5, 82.4),
        ("AnDiff", 2019, 81.7, 80.5),
        ("IKE graph with AnDiff, RAFT", 2022, 83.7, 83.1),
        ("COSNet", 2019, 80.5, 79.5),
        ("IKE graph with COSNet, RAFT", 2022, 83.4, 81.7),
    ),
    *_davsod(
        False,
        ("IKE", 2022, 0.560, 0.130),
        ("SFLR", 2016, 0.478, 0.132),
        ("SGSP", 2017, 0.426, 0.207),
        ("STBP", 2017, 0.410, 0.160),
        ("SAGM", 2015, 0.370, 0.184),
        ("MSTM", 2016, 0.344, 0.211),
        ("MB+M", 2015, 0.342, 0.228),
        ("GFVM", 2015, 0.334, 0.167),
    ),
    *_davsod(
        True,
        ("SSAV", 2019, 0.659, 0.084),
        ("PDB", 2018, 0.591, 0.114),
        ("FGRN", 2018, 0.589, 0.095),
        ("SCNN", 2018, 0.532, 0.128),
        ("DLVS", 2018, 0.521, 0.129),
        ("MBNN", 2018, 0.506, 0.109),
        ("SCOM", 2018, 0.462, 0.22),
        ("IKE with FCN", 2022, 0.664, 0.102),
        ("IKE with DeepLabv3", 2022, 0.655, 0.114),
        ("FCN backbone", 2022, 0.628, 0.129),
        ("DeepLabv3 backbone", 2022, 0.639, 0.122),
    ),
    *_of(
        5,
        False,
        ("NLC", 2014, 67.2, None),
        ("IKE", 2022, 66.4, None),
        ("CIS", 2019, 62.0, None),
        ("SAGE", 2015, 57.6, None),
        ("FST", 2013, 54.3, None),
        ("HPP", 2017, 50.1, None),
        ("CUT", 2015, 47.8, None),
    ),
    *_of(
        5,
        True,
        ("IKE with FCN", 2022, 73.4, None),
        ("EpO+", 2020, 70.9, None),
        ("STP", 2018, 70.1, None),
        ("IKE with DeepLabv3", 2022, 70.1, None),
        ("FSEG", 2017, 61.4, None),
        ("PDB", 2018, 60.9, None),
        ("IET", 2018, 59.3, None),
        ("DeepLabv3 backbone", 2022, 58.7, None),
        ("KEY", 2011, 57.3, None),
        ("LVO", 2017, 57.3, None),
        ("ARP", 2017, 57.2, None),
        ("FCN backbone", 2022, 52.1, None),
    ),
    *_of(
        6,
        False,
        ("FST", 2013, 53.8, None),
        ("IKE", 2022, 50.4, None),
        ("FSEG, flow alone", 2017, 17.4, None),
        ("LTV", 2014, 15.5, None),
    ),
    *_of(
        6,
        True,
        ("EGMN", 2020, 71.4, None),
        ("AGNN", 2019, 70.8, None),
        ("COSNet", 2019, 70.5, None),
        ("AGS", 2019, 69.7, None),
        ("FSEG", 2017, 68.4, None),
        ("IKE with DeepLabv3", 2022, 68.3, None),
        ("LVO", 2017, 67.5, None),
        ("IKE with FCN", 2022, 66.6, None),
        ("PDB", 2018, 65.4, None),
        ("LSMO", 2019, 64.3, None),
        ("COSEG", 2016, 58.1, None),
        ("MotAdapt", 2019, 58.1, None),
        ("SFL", 2017, 57.0, None),
        ("DeepLabv3 backbone", 2022, 50.2, None),
        ("FCN backbone", 2022, 48.0, None),
        ("ARP", 2017, 46.2, None),
    ),
    *_of(
        7,
        False,
        ("IKE", 2022, 76.0, 69.3),
        ("ELM", 2018, 61.8, 61.2),
        ("FST", 2013, 55.8, 51.1),
        ("CUT", 2015, 55.2, 55.2),
        ("NLC", 2014, 55.1, 52.3),
    ),
    *_of(
        7,
        True,
        ("IKE with 3DC-Seg", 2022, 86.0, 84.1),
        ("3DC-Seg", 2020, 84.3, 84.7),
        ("MATNet", 2020, 82.4, 80.7),
        ("AnDiff", 2019, 81.7, 80.5),
        ("EpO+", 2020, 80.6, 75.5),
        ("COSNet", 2019, 80.5, 79.5),
        ("AGS", 2019, 79.7, 77.4),
        ("IKE with DeepLabv3", 2022, 79.1, 74.9),
        ("IKE with FCN", 2022, 79.0, 74.9),
        ("LSMO", 2019, 78.2, 75.9),
        ("MotAdapt", 2019, 77.2, 77.4),
        ("PDB", 2018, 77.2, 74.5),
        ("LVO", 2017, 75.9, 72.1),
        ("DeepLabv3 backbone", 2022, 67.0, 64.8),
        ("FCN backbone", 2022, 66.5, 64.3),
    ),
    *_later(
        "TokenCut",
        2022,
        "the authors' repository, YangtaoWANG95/TokenCut_video",
        {7: 64.3, 5: 59.6},
        oracle=False,
        note="features pretrained without labels; flow by RAFT",
    ),
    *_later(
        "TokenCut with CRF",
        2022,
        "the authors' repository, YangtaoWANG95/TokenCut_video",
        {7: 76.7, 5: 61.6},
        oracle=False,
        note="as TokenCut; a dense CRF as last step; 74.4 on DAVIS 2016 with ARFlow's flow",
    ),
    *_later(
        "Motion Grouping",
        2021,
        "listed at wizwand.com, arXiv:2104.07658 (ICCV 2021)",
        {7: 68.3, 5: 58.6},
        oracle=True,
        note="flow alone; which of two segments is the object is settled by ground truth, so far as could be read",
    ),
    *_later(
        "OCLR",
        2022,
        "listed at wizwand.com (Xie, Xie, Zisserman: NeurIPS 2022)",
        {7: 80.9, 5: 71.6},
        note="trained on synthetic data",
    ),
    *_later(
        "RCF",
        2023,
        "the authors' repository, TonyLianLong/RCF-UnsupVideoSeg (CVPR 2023)",
        {7: 80.9, 5: 76.7},
        oracle=False,
        note="trained on the data set's videos; features pretrained without labels",
    ),
    *_later(
        "RCF with CRF",
        2023,
        "the authors' repository, TonyLianLong/RCF-UnsupVideoSeg (CVPR 2023)",
        {7: 83.0},
        oracle=False,
        note="as RCF; a dense CRF as last step",
    ),
)
