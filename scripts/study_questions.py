"""What the paper's study asks, what the paper printed, and how large a study would have to be to answer."""

import math

#: Question -> table, row, and the row it is compared with; what the paper found, in points of the AUC.
QUESTIONS: dict[str, tuple[int, str | int, str | int, float]] = {
    "MFAF beats its backbone (ResNet18)": (3, "ResNet18*", "ResNet18", 10.33),
    "MFAF beats its backbone (ShuffleNetV2)": (3, "ShuffleNetV2*", "ShuffleNetV2", 3.99),
    "channel attention helps (ResNet18)": (4, "ResNet18*", "R-CA-ResNet18*", 8.57),
    "spatial attention helps (ResNet18)": (4, "ResNet18*", "R-SA-ResNet18*", 1.78),
    "channel attention matters more than spatial (ResNet18)": (4, "R-SA-ResNet18*", "R-CA-ResNet18*", 6.79),
    "channel attention helps (ShuffleNetV2)": (4, "ShuffleNetV2*", "R-CA-ShuffleNetV2*", 2.18),
    "spatial attention helps (ShuffleNetV2)": (4, "ShuffleNetV2*", "R-SA-ShuffleNetV2*", 1.46),
    "beta 0.4 beats 0": (5, "beta = 0.4", "beta = 0", 10.33),
    "beta 0.4 beats 0.8": (5, "beta = 0.4", "beta = 0.8", 10.19),
    "rates 3 beat rates 1": (6, 2, 0, 11.44),
    "rates 3 beat rates 4": (6, 2, 3, 4.60),
}
MEASURES = ("auc", "accuracy")

#: Accuracy, AUC, recall and F1 as the paper's Tables 3 to 6 print them, per cent, in its order of rows.
PAPER: dict[int, dict[str, tuple[float, float, float, float]]] = {
    3: {
        "ResNet18": (64.84, 63.13, 32.05, 59.41),
        "ResNet18*": (72.66, 73.46, 42.66, 63.76),
        "ShuffleNetV2": (62.37, 61.43, 18.43, 53.98),
        "ShuffleNetV2*": (67.23, 65.42, 37.32, 63.72),
        "GoogLeNet": (62.38, 61.45, 20.14, 56.33),
        "MobileNetV2": (64.23, 64.13, 16.23, 58.36),
        "MnasNet": (68.79, 67.23, 17.69, 60.86),
    },
    4: {
        "ResNet18*": (72.66, 73.46, 42.66, 63.71),
        "R-CA-ResNet18*": (69.54, 64.89, 33.98, 58.64),
        "R-SA-ResNet18*": (71.13, 71.68, 39.46, 61.34),
        "ShuffleNetV2*": (67.23, 65.42, 37.32, 63.72),
        "R-CA-ShuffleNetV2*": (63.42, 63.24, 35.51, 60.99),
        "R-SA-ShuffleNetV2*": (64.48, 63.96, 35.12, 62.04),
    },
    5: {
        "beta = 0": (64.84, 63.13, 32.05, 59.41),
        "beta = 0.1": (71.21, 70.22, 39.12, 60.34),
        "beta = 0.4": (72.66, 73.46, 42.66, 63.71),
        "beta = 0.6": (71.45, 70.32, 38.49, 60.19),
        "beta = 0.7": (68.44, 65.54, 37.55, 58.84),
        "beta = 0.8": (64.96, 63.27, 32.64, 60.34),
    },
    6: {
        "{1, 2, 4, 8, 10}": (63.45, 62.02, 32.79, 50.43),
        "{1, 4, 8, 12, 16}": (67.34, 66.22, 38.28, 61.14),
        "{1, 6, 12, 18, 24}": (72.66, 73.46, 42.66, 63.71),
        "{1, 8, 16, 24, 32}": (70.22, 68.86, 31.46, 55.65),
    },
}


def surveys_needed(mean: float, sd: float) -> int | None:
    """Say how many surveys would tell a mean difference from 0; None where it is 0 or the spread unknown.

    Two-sided 5 %, power 80 %, normal approximation.
    """
    return math.ceil(((1.96 + 0.84) * sd / mean) ** 2) if mean and sd == sd else None
