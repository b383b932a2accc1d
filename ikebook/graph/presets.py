"""Everything the Graph Module can be told, in named sets of options, and one option at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ikebook.base import check
from ikebook.base.check import require
from ikebook.graph.masks import MaskOptions
from ikebook.graph.saliency import SaliencyOptions
from ikebook.matrix.chains import ChainOptions
from ikebook.matrix.features import FeatureOptions
from ikebook.matrix.motion import MotionOptions
from ikebook.matrix.projection import ProjectionOptions
from ikebook.solvers.pairs import SolverOptions


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """Everything that the Graph Module can be told, one group for each of its parts.

    Parameters
    ----------
    chains : ChainOptions, default `ChainOptions()`
        How motion chains are followed.
    motion : MotionOptions, default `MotionOptions(colour=10.0)`
        Which nodes M joins: its edges know colour.
    saliency : SaliencyOptions or None, default `SaliencyOptions()`
        The motion saliency among the features; None: there is none.
    features : FeatureOptions, default `FeatureOptions(cue_window=0, mean=8.0)`
        What F collects: of the saliency S, and of each cue, its own value at the node and its mean along the chains, F = [S, T S].
        Displacements would bring in the camera's motion (tests/experiments/ablation.py).
    projection : ProjectionOptions, default `ProjectionOptions()`
        What P projects onto.
    solver : SolverOptions, default `SolverOptions()`
        How eigenpairs are found.
    masks : MaskOptions, default `MaskOptions()`
        How labels become masks.

    Examples
    --------
    >>> GraphOptions(motion=MotionOptions(radius=10)).motion.radius
    10
    """

    chains: ChainOptions = field(default_factory=ChainOptions)
    motion: MotionOptions = field(default_factory=lambda: MotionOptions(colour=10.0))
    saliency: SaliencyOptions | None = field(default_factory=SaliencyOptions)
    features: FeatureOptions = field(default_factory=lambda: FeatureOptions(cue_window=0, mean=8.0))
    projection: ProjectionOptions = field(default_factory=ProjectionOptions)
    solver: SolverOptions = field(default_factory=SolverOptions)
    masks: MaskOptions = field(default_factory=MaskOptions)

    def as_dict(self) -> dict[str, Any]:
        """All options as plain values, for a summary."""
        return asdict(self)


PRESETS = {
    # Ours: the same graph, solved exactly, on a feature that knows the dominant motion.
    "default": GraphOptions(),
    # The paper's graph with the motion saliency in place of displacements: at each of 7 nodes along the chain. For the course.
    "saliency": GraphOptions(motion=MotionOptions(), features=FeatureOptions()),
    # The paper as printed: each pair of joined nodes once, raw displacements, one P, L2, random start.
    "paper": GraphOptions(
        motion=MotionOptions(edges="union"),
        saliency=None,
        features=FeatureOptions(displacements="steps", center="none"),
        solver=SolverOptions(method="power"),
        masks=MaskOptions(object="principal", map="minmax", threshold=0.5),
    ),
    # What the authors' program does, from a description of it: another M, one P for each frame, and a rule that is not
    # linear in place of the L2 norm.
    "released": GraphOptions(
        chains=ChainOptions(border="pass", links="corners"),
        motion=MotionOptions(self_loop=1.0),
        saliency=None,
        features=FeatureOptions(
            displacements="steps", center="none", scale="minmax", bias=True, ends="hold", cue_window=1
        ),
        projection=ProjectionOptions(scope="frame", ridge=100.0),
        solver=SolverOptions(method="power", normalisation="minmax", iterations=20, start="same"),
        masks=MaskOptions(object="principal", map="minmax", threshold=0.5),
    ),
}
"""Named sets of options: `default` (ours), `saliency` (the paper's graph on our feature), `paper` (as printed), `released` (as the
authors' program runs)."""


def preset(name: str) -> GraphOptions:
    """A named set of options.

    Parameters
    ----------
    name : str
        "default" (ours, solved exactly), "saliency" (the paper's graph, but for its feature and an exact solver: the motion
        saliency at the nodes that a chain meets -3, ..., 3 frames away), "paper" (as printed) or "released" (as the authors'
        program runs).

    Returns
    -------
    GraphOptions

    Examples
    --------
    >>> preset("paper").solver.method
    'power'
    """
    check.one_of("preset", name, PRESETS)
    return PRESETS[name]


Options = TypeVar("Options")


def override(options: Options, *assignments: str) -> Options:
    """Options with some of them set from texts, as `--set` takes them on the command line.

    Options of one group are set at once, so that those that depend on each other may come in any order.

    Parameters
    ----------
    options : GraphOptions, or any other options in groups
        What to begin with; it stays as it is.
    *assignments : str
        Such as "motion.radius=10"; "saliency=none" switches that group off, "motion.colour=none" that option.

    Returns
    -------
    GraphOptions, or the others
        New ones.

    Raises
    ------
    InputError
        If there is no such group, option or value.

    Examples
    --------
    >>> override(GraphOptions(), "motion.radius=10", "motion.sigma=3").motion
    MotionOptions(radius=10, sigma=3.0, edges='count', self_loop=0.0, colour=10.0)
    """
    changes: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        group = group_of(assignment, groups(options))
        path, _, text = assignment.partition("=")
        name = path.partition(".")[2]
        if path == "saliency":
            require(text == "none", f"{assignment!r}: only saliency=none switches a whole group, off.")
            options = replace(options, saliency=None)  # type: ignore[type-var]
            changes.pop(group, None)
            continue
        part = getattr(options, group)
        require(part is not None, f"{assignment!r} sets an option of {group}, which is switched off here.")
        names = [f.name for f in fields(part)]
        require(name in names, f"{assignment!r}: {group} has no option {name!r}; it has {', '.join(names)}.")
        changes.setdefault(group, {})[name] = _value(text, get_type_hints(type(part))[name], assignment)
    parts = {group: replace(getattr(options, group), **change) for group, change in changes.items()}
    return replace(options, **parts)  # type: ignore[type-var]


def groups(options: Any) -> list[str]:
    """Names of the groups that options come in."""
    return [
        f.name for f in fields(options) if getattr(options, f.name) is None or is_dataclass(getattr(options, f.name))
    ]


def group_of(assignment: str, known: Sequence[str]) -> str:
    """The group, one of `known`, of which a text such as "motion.radius=10" sets an option."""
    path, equals, _ = assignment.partition("=")
    group = path.partition(".")[0]
    require(
        bool(equals) and group in known,
        f"{assignment!r} sets no option; expected GROUP.OPTION=VALUE, where GROUP is one of {', '.join(known)}.",
    )
    return group


def _value(text: str, kind: Any, assignment: str) -> bool | float | str | tuple[Any, ...] | None:
    """A text as a value of an option's type."""
    if get_origin(kind) is tuple:
        return tuple(_value(part, get_args(kind)[0], assignment) for part in text.split(","))
    kinds = getattr(kind, "__args__", (kind,))
    if type(None) in kinds and text == "none":
        return None
    if bool in kinds:
        require(text in ("true", "false"), f"{assignment!r}: expected true or false.")
        return text == "true"
    for number in (int, float):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                continue
    require(str in kinds, f"{assignment!r}: expected a {'whole number' if int in kinds else 'number'}.")
    return text
