"""What the widgets have in common that go on in the page by themselves, with what Python has sent once."""

from __future__ import annotations

import traitlets

from ikebook.widgets.scripts import style
from ikebook.widgets.synced import Synced


class Live(Synced):
    """A widget that works without a kernel, once the page has what it needs.

    Attributes
    ----------
    kind : str
        Of it, as a static page calls it (see browser/page.js).
    wanted : bool
        Whether a page shows this widget; the browser says so, and Python sends what it needs then.
    """

    kind = ""

    _css = style("canvas.css")

    wanted = traitlets.Bool(False).tag(sync=True)

    def on_page(self) -> bool:
        """Whether it has what a static page needs."""
        raise NotImplementedError
