"""Every constant of the twin, with its unit.

The constants are those of the recipe, but for four that were moved so that associations correlate by
.4-.7 and nuggets are 30-60 % of the sill (the recipe's value in brackets): ``loadings`` .18-.22 (.15-.20),
``own_sd`` .06 (.08), ``unit_sd`` .10 (.12), ``nugget`` .13 (.12). Where the recipe is silent: the fold range
is the geometric mean of those along and across strike, faults offset the strata (``fault_throw``), larger
streams are sampled more often than hollows (``stream_preference``), and decoys lie near faults as camps do.
"""

from dataclasses import dataclass

__all__ = ["ELEMENTS", "PAPER_EIGHT", "TWIN", "UNITS", "Twin"]

#: The sixteen elements in the order of the paper's Table 1.
ELEMENTS = ("Ag", "Au", "B", "Sn", "Cu", "Ba", "Mn", "Pb", "Zn", "As", "Sb", "Hg", "Mo", "W", "Bi", "F")

#: The elements that pass the paper's screening (Table 2).
PAPER_EIGHT = ("Ag", "Au", "Sn", "Cu", "Ba", "Sb", "Hg", "Mo")

#: Units of the analyses; ppb = ng/g, ppm = ug/g.
UNITS = {name: "ppb" if name in ("Ag", "Au", "Hg") else "ppm" for name in ELEMENTS}


@dataclass(frozen=True)
class Twin:
    """The made ground's constants.

    Counts of faults, camps and decoys are for the default square of 39 km and scale with the area of
    the map. ``dex`` is a step of one in log10.

    Attributes
    ----------
    side
        Side of the square that the counts belong to, m.
    cell
        Size of the cells on which the ground is computed, m; the survey's grid may be any other.
    crs
        Projected CRS of the coordinates.
    corner
        Easting and northing near which the south-west corner lies, m; moved to a multiple of the
        map's side, so that every pixel size that divides the side needs no snapping.
    relief, tilt
        Range of the rough part of the terrain and fall of its regional slope over the map, m.
    terrain_slope
        Exponent of the terrain's power spectrum, > 2.
    valley_basin
        Basin from which a channel counts as a valley, km2.
    strata
        Units in stratigraphic order, youngest first.
    strata_share
        Their shares of the ground that is not Quaternary; sum 1.
    quaternary_share
        Share of the map under valley fill, 0-1.
    fold_range, fold_anisotropy, fold_azimuth
        Range (geometric mean of those along and across strike), m; the one over the other; strike, degrees
        from north.
    fault_sets
        Azimuth (degrees), number and mean length (m) of each set of faults.
    fault_throw, fault_drag
        Spread of the step of the folded surface at a fault (1 = sd of that surface), and the distance over
        which it fades by e, m.
    fault_azimuth_sd, fault_length_sd
        Spread of azimuth within a set, degrees, and of log length (natural logarithm).
    camps, hidden_camps
        Number of camps, and of those that nobody has found.
    camp_fault_decay
        Distance over which the odds of a camp fall by e away from a fault, m.
    camp_unit_odds
        Relative odds of a camp by unit, in the order of ``strata`` and Quaternary last.
    camp_field_range, camp_field_weight
        Range of the unobserved field G, m, and its weight w in exp(w G).
    camp_extra, camp_sd
        Mean number of deposits beyond the first, and their scatter about the camp's centre, m.
    hide_weight
        Weight of remoteness (1 = 1 sd of distance from roads and valleys) in the log odds of hiding.
    towns
        Towns that roads join.
    displaced_share, displaced_by
        Share of the known deposits whose mapped place is wrong, and by how far (least, most), m.
    medians
        Background median of each of ``ELEMENTS``, in ``UNITS``.
    unit_sd
        Spread of the effect of a unit on an element, dex.
    factors
        Range (m) and members of each association; the members share one field.
    loadings
        Least and most loading of an element on a factor, dex.
    own_range, own_sd
        Range (m) and sd (dex) of what each element does alone.
    halo
        Contrast a of each of ``ELEMENTS`` in the halo 1 + a S g.
    halo_sigma
        Scale of the Gaussian g, m.
    strength_sd, strength_element_sd
        Spread of the strength S by deposit and by element, natural logarithm.
    blind_share, blind_factor
        Share of deposits under cover and what is left of their halo.
    decoys, decoy_elements
        Number of haloes without a deposit, and the share of elements in each.
    mixing_length
        Distance over which sediment is diluted by e downstream, m.
    basin
        Least and most area upstream of a sample, km2.
    stream_preference
        Exponent of the basin's area in the odds that a cell of a square is sampled: 0 = hollows and streams
        alike.
    sample_counts
        Samples by unit, Quaternary last, at the default number; others are split in proportion.
    gaps, gap_side
        Number of patches without samples and their side, m.
    duplicate_share
        Share of the samples that repeat another one's place.
    nugget, laboratory, gold_nugget
        Sampling and analytical error of every element and the extra one of gold, dex.
    years, year_sheet, year_step, year_elements
        The two years of sampling, the share of the map (in the west) done in the first, the step (dex)
        between them and the elements that have it.
    censored
        Elements with a detection limit, and the quantile at which it lies.
    wild_share, wild_step
        Share of values that are wrong, and by how much (least, most), dex up or down.
    """

    side: float = 39_000.0
    cell: float = 100.0
    crs: str = "EPSG:32649"
    corner: tuple[float, float] = (400_000.0, 2_390_000.0)

    relief: float = 700.0
    tilt: float = 500.0
    terrain_slope: float = 3.2
    valley_basin: float = 10.0

    strata: tuple[str, ...] = ("Triassic", "Permian", "Carboniferous", "Devonian")
    strata_share: tuple[float, ...] = (0.48, 0.21, 0.26, 0.05)
    quaternary_share: float = 0.013
    fold_range: float = 6_000.0
    fold_anisotropy: float = 2.5
    fold_azimuth: float = 45.0

    fault_sets: tuple[tuple[float, int, float], ...] = (
        (45.0, 22, 12_000.0),
        (315.0, 12, 8_000.0),
        (0.0, 7, 10_000.0),
    )
    fault_throw: float = 0.5
    fault_drag: float = 2_500.0
    fault_azimuth_sd: float = 12.0
    fault_length_sd: float = 0.4

    camps: int = 36
    hidden_camps: int = 12
    camp_fault_decay: float = 700.0
    camp_unit_odds: tuple[float, ...] = (3.0, 1.5, 1.0, 0.6, 0.0)
    camp_field_range: float = 8_000.0
    camp_field_weight: float = 0.8
    camp_extra: float = 1.0
    camp_sd: float = 800.0
    hide_weight: float = 1.0
    towns: int = 6
    displaced_share: float = 0.1
    displaced_by: tuple[float, float] = (200.0, 500.0)

    medians: tuple[float, ...] = (77, 1.4, 47, 3, 22, 450, 600, 25, 68, 9.5, 0.75, 60, 0.8, 1.9, 0.32, 480)
    unit_sd: float = 0.10
    factors: tuple[tuple[float, tuple[str, ...]], ...] = (
        (5_000.0, ("Mn", "Zn", "Cu", "Ba", "As")),
        (9_000.0, ("W", "Sn", "Bi", "Mo", "F", "B")),
        (4_000.0, ("Au", "As", "Sb", "Hg", "Ag", "Ba")),
        (6_000.0, ("Pb", "Zn", "Ag", "Cu", "Sb")),
    )
    loadings: tuple[float, float] = (0.18, 0.22)
    own_range: float = 2_000.0
    own_sd: float = 0.06

    halo: tuple[float, ...] = (3, 3, 0.6, 1.9, 2, 1.6, 0.25, 0.8, 0.25, 0.8, 2, 2.4, 1.7, 0.8, 0.8, 0.25)
    halo_sigma: float = 450.0
    strength_sd: float = 0.6
    strength_element_sd: float = 0.5
    blind_share: float = 0.25
    blind_factor: float = 0.1
    decoys: int = 24
    decoy_elements: float = 0.4
    mixing_length: float = 1_500.0

    basin: tuple[float, float] = (0.02, 25.0)
    stream_preference: float = 0.5
    sample_counts: tuple[int, ...] = (3568, 1559, 1942, 342, 101)
    gaps: int = 2
    gap_side: float = 3_000.0
    duplicate_share: float = 0.03

    nugget: float = 0.13
    laboratory: float = 0.04
    gold_nugget: float = 0.25
    years: tuple[int, int] = (2008, 2011)
    year_sheet: float = 0.45
    year_step: float = 0.08
    year_elements: tuple[str, ...] = ("B", "Sn", "Zn", "F")
    censored: tuple[tuple[str, float], ...] = (
        ("Au", 0.15),
        ("Hg", 0.10),
        ("Mo", 0.06),
        ("Bi", 0.04),
        ("Sb", 0.03),
    )
    wild_share: float = 0.003
    wild_step: tuple[float, float] = (0.7, 1.5)


#: The defaults.
TWIN = Twin()
