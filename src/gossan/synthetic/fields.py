"""Stationary Gaussian fields on the ground's cells, by FFT on a padded square."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["gaussian_field", "power_law_field", "smooth"]

Field = NDArray[np.float64]


def _wavenumbers(cells: int, cell: float) -> tuple[Field, Field]:
    """Angular wavenumbers (north, east) in 1/m of a padded square of at least 1.3 times the map."""
    from scipy.fft import next_fast_len

    padded = next_fast_len(int(np.ceil(1.3 * cells)), real=True)
    north = 2 * np.pi * np.fft.fftfreq(padded, cell)[:, None]
    east = 2 * np.pi * np.fft.rfftfreq(padded, cell)[None, :]
    return north.astype(np.float64), east.astype(np.float64)


def _draw(rng: np.random.Generator, amplitude: Field, cells: int) -> Field:
    """Colour white noise, cut the map out and standardise it (mean 0, sd 1)."""
    from scipy.fft import irfft2, rfft2

    padded = amplitude.shape[0]
    noise = rfft2(rng.standard_normal((padded, padded)))
    field = irfft2(noise * amplitude, s=(padded, padded))[:cells, :cells]
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float64)


def gaussian_field(
    rng: np.random.Generator,
    cells: int,
    cell: float,
    reach: float,
    *,
    smoothness: float = 0.5,
    anisotropy: float = 1.0,
    azimuth: float = 0.0,
) -> Field:
    """Draw a Matern field.

    Parameters
    ----------
    cells, cell
        Side of the map in cells, and of a cell in m.
    reach
        Distance in m at which the correlation across the long axis has fallen to .05.
    smoothness
        Matern's nu, > 0; one half is the exponential model.
    anisotropy
        The reach along the long axis over that across it, >= 1.
    azimuth
        Of the long axis, degrees clockwise from north.

    Returns
    -------
    (cells, cells) with row 0 in the north, mean 0 and sd 1 over the map.
    """
    north, east = _wavenumbers(cells, cell)
    # rows run south, so the sign of the northern wavenumber turns
    along = -np.cos(np.radians(azimuth)) * north + np.sin(np.radians(azimuth)) * east
    across = np.sin(np.radians(azimuth)) * north + np.cos(np.radians(azimuth)) * east
    # the correlation is .05 at about sqrt(2 nu + 7) lengths (3.0 for nu = 1/2: within 10 %)
    length = reach / np.sqrt(2 * smoothness + 8)
    power = (1 + (length * across) ** 2 + (anisotropy * length * along) ** 2) ** -(smoothness + 1)
    return _draw(rng, np.sqrt(power), cells)


def power_law_field(rng: np.random.Generator, cells: int, cell: float, slope: float) -> Field:
    """Draw a field whose power falls as wavenumber to the minus ``slope`` (relief; Turcotte 1997, ch. 7)."""
    north, east = _wavenumbers(cells, cell)
    k = np.hypot(north, east)
    k[0, 0] = np.inf
    return _draw(rng, k ** (-slope / 2), cells)


def smooth(field: Field, sigma: float) -> Field:
    """Smooth by a Gaussian of ``sigma`` cells, the edge repeated."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(field, sigma, mode="nearest"), dtype=np.float64)
