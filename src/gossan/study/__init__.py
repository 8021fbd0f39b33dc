"""The paper's whole study on any survey: Tables 2 to 6, Figures 2, 7 and 8, with seeds and intervals."""

from gossan.study.run import Study, study

__all__ = ["Study", "study"]
