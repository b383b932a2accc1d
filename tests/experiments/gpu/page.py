"""The page: goals beside what was found, then section by section, as it is known so far."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import sys
from typing import Any

from plan import Plan, Row, Section

SECTIONS = [
    Section(
        name="card",
        title="What the card can do",
        says="Rates of plain copies and of matrix products, of which the shares below are; and what one launch of a kernel costs.",
        budget=25,
        home="rates:card",
    ),
    Section(
        name="agreement",
        title="Agreement with the CPU",
        says="The same clip and flow on both. Asked for: |cos| of both eigenvectors above 1 - 1e-6, and masks that differ in less "
        "than 1e-4 of the pixels; with TF32 allowed to the program, too, for the graph does not take part in it.",
        budget=45,
        home="graphs:agreement",
    ),
    Section(
        name="graph",
        title="The graph stage",
        says="`ikebook.segment` on a clip and its flow in the computer's memory, milliseconds a frame: the least of three, after one "
        "more. Features are the saliency and all set-up; solve is the pass with the exact solver; masks go back to memory.",
        budget=45,
        home="graphs:stages",
    ),
    Section(
        name="round trips",
        title="What is waited for",
        says="Counted by PyTorch's profiler: values that the program asks for (`aten::_local_scalar_dense`), copies to the "
        "computer's memory, and calls that wait for the card. In the pass there has to be none of the last two; what is asked for may lie in the "
        "computer's memory itself.",
        budget=25,
        home="kernels:round_trips",
    ),
    Section(
        name="cycles",
        title="Three cycles",
        says="`ikebook.exchange` with default options, flow apart, seconds in all.",
        budget=70,
        home="cycles:cycles",
    ),
    Section(
        name="kernels",
        title="Where the time goes",
        says="Operations of the pass by the time of their kernels, and what they read and write at the least, by the sizes of their "
        "tensors: achieved is one over the other.",
        budget=25,
        home="kernels:operations",
    ),
    Section(
        name="tests",
        title="The tests",
        says="tests/test_gpu.py by pytest, the device's half.",
        budget=75,
        home="rates:tests",
    ),
    Section(
        name="spectrum",
        title="Solvers",
        says="Ways to the leading eigenpairs of one clip, the residual of the first by a product with A, and its cosine to the "
        "exact solver's vector.",
        budget=25,
        home="graphs:spectrum",
    ),
    Section(
        name="raft",
        title="RAFT-small",
        says="Milliseconds for a pair of frames, both ways, twelve updates.",
        budget=50,
        home="networks:raft",
    ),
    Section(
        name="training",
        title="Training the network",
        says="Steps a second of the default network; graphed: a whole step captured as a CUDA graph; compiled: by `torch.compile`.",
        budget=60,
        home="networks:training",
    ),
    Section(
        name="gathers",
        title="Ways to gather",
        says="The rows of CF, the exact solver's inner loop, as they are computed and in other ways.",
        budget=30,
        home="kernels:gathers",
    ),
]

GOALS = (
    ("graph", "graph stage at {size}, ms a frame", "0.5 at most", 0.5),
    ("cycles", "three cycles of {frames} frames at {size}, s", "5 at most", 5.0),
    ("trips", "round trips within the pass", "none", 0.0),
    ("cosine", "1 - cos of the eigenvector to the CPU's, the largest", "1e-6 at most", 1e-6),
    ("masks", "share of pixels whose mask is another than the CPU's, the largest", "1e-4 at most", 1e-4),
)
"""What was set out to be reached on an H100."""


class Results:
    """What is known by now, and its page."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.machine: dict[str, Any] = {}
        self.rows: dict[str, list[Row]] = {section.name: [] for section in SECTIONS}
        self.notes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.whole: float | None = None
        self.goals: dict[str, float] = {}

    @property
    def path(self):
        card = re.sub(r"[^a-z0-9]+", "-", str(self.machine.get("card", self.plan.device)).lower()).strip("-")
        return self.plan.out / f"gpu-{card}.md"

    @property
    def alarming(self) -> int:
        """The exit status: 1 if a section failed."""
        return int(any(self.notes.values()))

    def about(self, machine: dict[str, Any]) -> None:
        self.machine = machine

    def row(self, section: Section, row: Row) -> None:
        goals = row.pop("goal", {})
        for name, value in goals.items():
            # Of several rows about one goal, the best for speed, the worst for agreement.
            better = min if name in ("graph", "cycles") else max
            self.goals[name] = value if name not in self.goals else better(self.goals[name], value)
        self.rows[section.name].append(row)

    def failed(self, section: Section, why: str) -> None:
        self.notes[section.name] = why
        self.write()

    def done(self, section: Section, seconds: float, problem: str) -> None:
        self.notes[section.name] = problem
        self.seconds[section.name] = seconds
        print(f"{section.name:12} {seconds:6.1f} s  {problem}", flush=True)
        self.write()

    def finished(self, seconds: float) -> None:
        self.whole = seconds
        self.write()

    def write(self) -> None:
        self.plan.out.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text("\n".join(self.lines()) + "\n", encoding="utf-8")
        part.replace(self.path)

    def lines(self) -> list[str]:
        plan, about = self.plan, self.machine
        size = "x".join(map(str, plan.sizes[0]))
        lines = [f"# ikebook on {about.get('card', plan.device)}", ""]
        if not plan.cuda:
            lines += ["**A rehearsal: this is no GPU, and no number here says anything of one.**", ""]
        lines += [
            f"By `{command()}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}"
            + (
                f", in {self.whole:.0f} s."
                if self.whole is not None
                else "; **not at its end yet, or it was stopped.**"
            ),
            "",
            *(f"- {name}: {value}" for name, value in about.items()),
            "",
            "| goal, on an H100 | asked for | found | |",
            "|---|---|---:|---|",
        ]
        for name, what, asked, most in GOALS:
            found = self.goals.get(name)
            verdict = "not measured" if found is None else "reached" if found <= most else "**missed**"
            lines.append(
                f"| {what.format(size=size, frames=plan.frames)} | {asked} | "
                f"{'' if found is None else f'{found:.3g}'} | {verdict if plan.cuda else 'a rehearsal'} |"
            )
        for section in SECTIONS:
            lines += ["", f"## {section.title}", "", section.says, ""]
            lines += table(self.rows[section.name])
            spent = self.seconds.get(section.name)
            if self.notes.get(section.name):
                lines += ["", f"**Not whole: {self.notes[section.name]}.**"]
            elif spent is None:
                lines += ["Not begun yet."]
            else:
                lines += ["", f"In {spent:.0f} s."]
        return lines


def command() -> str:
    """How the page was made."""
    small = " ".join(
        f"{name}={value}"
        for name, value in (("DEVICE", "cpu"), ("SMALL", "1"))
        if value in sys.argv or (name == "SMALL" and "--small" in sys.argv)
    )
    return f"make gpu {small}".strip() + f"  (python tests/experiments/gpu {shlex.join(sys.argv[1:])})"


def table(rows: list[Row]) -> list[str]:
    """Rows as a table; a row that lacks a column has nothing there."""
    if not rows:
        return []
    columns = list(dict.fromkeys(name for row in rows for name in row))
    right = {name for name in columns if any(isinstance(row.get(name), (int, float)) for row in rows)}
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join('---:' if name in right else '---' for name in columns)}|"]
    return lines + [f"| {' | '.join(cell(row.get(name, '')) for name in columns)} |" for row in rows]


def cell(value: Any) -> str:
    """A number with three digits, or a text that does not break the table."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value).replace("|", "/").replace("\n", " ")
    if isinstance(value, int):
        return str(value)
    size = abs(value)
    return (
        f"{value:.3g}"
        if size == 0 or size < 0.01 or size >= 1000
        else f"{value:.{3 if size < 1 else 2 if size < 100 else 1}f}"
    )
