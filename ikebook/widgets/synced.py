"""What Python and the page know of a widget together: values that Python refuses go back, and what is closed is forgotten."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from ikebook.base.check import InputError, short
from ikebook.widgets.shared_bytes import leave_all


class RefusedError(InputError, traitlets.TraitError):
    """A value that a trait can't have: for whoever sets it an `InputError`; traitlets puts the value before it back."""


def validate(*names: str) -> Callable[[Callable[[Any, Any], Any]], Any]:
    """`traitlets.validate`, for checks that raise `InputError`; whatever else they raise at strange values is one as well.

    Parameters
    ----------
    *names : str
        Of the traits.
    """

    def decorate(check: Callable[[Any, Any], Any]) -> Any:
        @functools.wraps(check)
        def checked(self: Any, proposal: Any) -> Any:
            try:
                return check(self, proposal)
            except InputError as error:
                raise RefusedError(str(error)) from None
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                name, value = proposal.trait.name, short(proposal.value)
                raise RefusedError(f"{name} is {value}, which it can't be: {error}.") from error

        return traitlets.validate(*names)(checked)

    return decorate


class Synced(anywidget.AnyWidget):
    """A widget with a page's side of our own."""

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """Take what the page has sent; if it can't be, say so, and send what there is, which all pages show then."""
        try:
            super().set_state(sync_data)
        except Exception:
            self.send_state([name for name in sync_data if name in self.keys])
            raise

    def close(self) -> None:
        """Take it out of the page."""
        layout = self.layout if self.comm is not None else None
        super().close()
        leave_all(self)
        if layout is not None:
            layout.close()
