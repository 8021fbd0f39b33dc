"""What a worker imports while it waits for its first task."""

__all__ = ["networks", "screening"]


def screening() -> None:
    """Import what the screening needs."""
    from sklearn import svm  # noqa: F401


def networks() -> None:
    """Import what the fits of networks need."""
    from gossan.models import _torchvision, network  # noqa: F401

    _torchvision.load()
