"""What a worker imports while it waits for its first task."""

import importlib

__all__ = ["networks", "screening"]


def screening() -> None:
    """Import what the screening needs."""
    importlib.import_module("sklearn.svm")


def networks() -> None:
    """Import what the fits of networks need."""
    importlib.import_module("gossan.models.network")
    importlib.import_module("gossan.models._torchvision").load()
