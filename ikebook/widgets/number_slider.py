"""A slider of one number that has a name for those who can't see it: those of ipywidgets have none."""

from __future__ import annotations

import traitlets

from ikebook.widgets.scripts import script, style
from ikebook.widgets.synced import Synced


class NumberSlider(Synced):
    """A slider of one number, with its name before it and its value after it.

    Attributes
    ----------
    value : int or float
        A whole number where `step` is one.
    min, max, step : int or float
        Of what can be chosen; Python may set a value beyond, which the slider shows at its end.
    description : str
        Its name, which is read out too.
    channel : str
        The name under which the page hears of it while it moves; "" for none. In a static page, such a slider can be moved.
    continuous : bool
        Whether Python hears of it while it moves, and not only once it has been let go.

    Examples
    --------
    >>> slider = NumberSlider(value=3, min=1, max=30, description="radius p")
    >>> slider.value, slider.step, slider.continuous
    (3, 1, False)
    """

    _esm = script("slider.js")
    _css = style("canvas.css")

    value = traitlets.Union([traitlets.Int(), traitlets.Float()]).tag(sync=True)
    min = traitlets.Union([traitlets.Int(0), traitlets.Float()]).tag(sync=True)
    max = traitlets.Union([traitlets.Int(1), traitlets.Float()]).tag(sync=True)
    step = traitlets.Union([traitlets.Int(1), traitlets.Float()]).tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
    channel = traitlets.Unicode("").tag(sync=True)
    continuous = traitlets.Bool(False).tag(sync=True)
