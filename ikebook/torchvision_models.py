"""torchvision's models, which are an extra, and have to fit the PyTorch that is there."""

from __future__ import annotations

from typing import Any

from ikebook.check import InputError


def torchvision_models() -> Any:
    """The module `torchvision.models`.

    Raises
    ------
    InputError
        If torchvision is not there, or was built for another PyTorch.
    """
    try:
        import torchvision.models
    except ImportError as error:
        raise InputError(
            f"RAFT, FCN and DeepLab need torchvision, which can't be imported ({error}): pip install 'ikebook[raft]'."
        ) from None
    except RuntimeError as error:  # its operators were compiled for another PyTorch
        raise InputError(
            f"torchvision does not fit this PyTorch ({error}); install both from one place, with the command that "
            "pytorch.org/get-started shows."
        ) from None
    return torchvision.models
