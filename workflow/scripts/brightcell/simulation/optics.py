"""Bright-field light and a colour camera: from the phase of thin cells to RGB images.

A living cell absorbs next to nothing: it delays light. In focus it is invisible; out of focus the
curvature of its phase turns into bright and dark rims (Teague 1983, J Opt Soc Am 73:1434,
doi 10.1364/JOSA.73.001434). The weak-defocus formula of that paper, I = I0 (1 - z λ/2π ∇²φ), fails
at the rim of a round cell, so the wave itself is propagated here by its angular spectrum
(Goodman, Introduction to Fourier Optics, section 3.10). Lengths are in micrometres.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

WAVELENGTHS_UM = (0.61, 0.54, 0.47)  # at which a Bayer filter's red, green and blue pass most
MEDIUM_INDEX = 1.335  # refractive index of culture medium
NUMERICAL_APERTURE = 0.25  # of a 10× objective
CONDENSER_APERTURE = 0.035  # root mean square; a nearly closed aperture stop
CHROMATIC_SHIFT_UM = (1.0, 0.0, -1.4)  # focus of red, green and blue relative to green
CROSSTALK = np.array([[0.86, 0.12, 0.02], [0.08, 0.84, 0.08], [0.02, 0.14, 0.84]])  # rows: R, G, B pixels


@dataclass(frozen=True)
class Conditions:
    """What differs between two recordings besides the cells: focus, lamp, camera and dirt."""

    defocus_um: float  # positive: cells look bright with dark rims; negative: the reverse
    vignetting: float  # share of light lost in the corners
    unevenness: float  # root mean square of the remaining illumination pattern
    brightness: float  # grey value of the empty background, 0..1
    tint: tuple[float, float, float]  # red, green and blue of the background relative to their mean
    full_well: float  # electrons at grey value 1: fewer mean more shot noise
    read_noise: float  # electrons, root mean square
    debris: float  # pieces per 100 × 100 µm, lying on the glass
    floating: int  # particles in the medium far out of focus, others in every frame


def blurred_noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return a random field (height, width) of mean 0 and deviation 1, smooth over `sigma` pixels, periodic."""
    spectrum = fft.rfft2(rng.standard_normal(shape))
    rows, columns = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None]
    field = fft.irfft2(spectrum * np.exp(-2 * (np.pi * sigma) ** 2 * (rows**2 + columns**2)), s=shape)
    return (field - field.mean()) / field.std()


def defocused_intensity(
    phase: np.ndarray, absorption: np.ndarray, wavelength_um: float, defocus_um: float, pixel_um: float
) -> np.ndarray:
    """Propagate a thin object's wave out of focus; return its intensity (height, width), 1 without object.

    Parameters
    ----------
    phase: delay in radians at this wavelength (height, width), periodic at the borders
    absorption: exponent a of the share exp(-a) of intensity that passes; the same shape

    The condenser is a bundle of plane waves. Tilting the wave shifts the defocused image by
    defocus × tilt, so a source of many angles blurs the coherent image by its own profile
    (Streibl 1984, Opt Commun 49:6, doi 10.1016/0030-4018(84)90079-8).
    """
    rows = fft.fftfreq(phase.shape[0], pixel_um)[:, None]
    columns = fft.fftfreq(phase.shape[1], pixel_um)[None]
    squared = rows**2 + columns**2
    axial = (
        np.sqrt(np.maximum((MEDIUM_INDEX / wavelength_um) ** 2 - squared, 0)) - MEDIUM_INDEX / wavelength_um
    )
    # A soft edge of the pupil: a hard one causes rings through the whole image around a round cell.
    pupil = 1 / (1 + (squared * (wavelength_um / NUMERICAL_APERTURE) ** 2) ** 6)
    transfer = (pupil * np.exp(2j * np.pi * defocus_um * axial)).astype(np.complex64)
    wave = np.exp(1j * phase - absorption / 2).astype(np.complex64)
    wave = fft.ifft2(fft.fft2(wave, overwrite_x=True) * transfer, overwrite_x=True)
    intensity = wave.real**2 + wave.imag**2
    blur_px = abs(defocus_um) * CONDENSER_APERTURE / MEDIUM_INDEX / pixel_um
    return ndimage.gaussian_filter(intensity, np.hypot(blur_px, 0.5), mode="wrap", truncate=3)


def illumination(shape: tuple[int, int], conditions: Conditions, rng: np.random.Generator) -> np.ndarray:
    """Return the light of lamp and dirty optics (height, width), about 1: vignetting, slow waves, dust shadows."""
    side = max(shape)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    centre = np.array(shape) * rng.uniform(0.35, 0.65, 2)
    radius_squared = ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / (side**2 / 2)
    light = 1 - conditions.vignetting * radius_squared
    light += conditions.unevenness * blurred_noise(shape, 0.12 * side, rng)
    for _ in range(rng.poisson(4)):
        row, column = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        distance = np.hypot(rows - row, columns - column) / rng.uniform(0.01, 0.04) / side
        light -= rng.uniform(0.01, 0.05) / (1 + distance**6)
    return light


def floating_particles(
    shape: tuple[int, int], number: int, pixel_um: float, rng: np.random.Generator
) -> np.ndarray:
    """Return rings of particles far above the cells (height, width), about 1: in-line holograms of points.

    Point and background wave interfere as cos(π r² / λ z) (Gabor 1948, Nature 161:777,
    doi 10.1038/161777a0); the limited coherence of the lamp fades the outer rings.
    """
    pattern = np.ones(shape)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for _ in range(number):
        centre = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        squared = ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) * pixel_um**2
        distance_um = rng.uniform(60, 250)
        rings = np.cos(np.pi * squared / (0.4 * distance_um) + rng.uniform(0, 2 * np.pi))
        pattern += rng.uniform(0.04, 0.14) * rings * np.exp(-squared / (0.7 * distance_um))
    return pattern


def expose(
    phase: np.ndarray, absorption: np.ndarray, defocus_um: float, light: np.ndarray, pixel_um: float
) -> np.ndarray:
    """Return the light on each colour of the sensor (height, width, 3), relative to the background.

    `phase` is in radians at the green wavelength; dispersion in the cells is neglected.
    """
    bands = [
        defocused_intensity(
            phase * (WAVELENGTHS_UM[1] / wavelength), absorption, wavelength, defocus_um + shift, pixel_um
        )
        for wavelength, shift in zip(WAVELENGTHS_UM, CHROMATIC_SHIFT_UM, strict=True)
    ]
    return (np.stack(bands, axis=-1) * light[..., None]) @ CROSSTALK.T


def colour_camera(exposure: np.ndarray, conditions: Conditions, rng: np.random.Generator) -> np.ndarray:
    """Photograph light (2 height, 2 width, 3) as uint8 RGB (height, width, 3), one pixel per Bayer quadruplet.

    Each sensor pixel sees one colour (R G / G B); a quadruplet gives red, the mean of two greens,
    and blue, so that the colours are one sensor pixel apart. Shot and read noise come first; a slight
    blur follows, which correlates the noise of neighbouring pixels.
    """
    electrons = exposure * np.array(conditions.tint) * (conditions.brightness * conditions.full_well)
    height, width = electrons.shape[:2]
    mosaic = electrons[..., 1].copy()
    mosaic[0::2, 0::2] = electrons[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = electrons[1::2, 1::2, 2]
    # Thousands of electrons: Poisson noise is normal with the mean as variance.
    noise = np.sqrt(np.maximum(mosaic, 0) + conditions.read_noise**2)
    mosaic += noise * rng.standard_normal((height, width))
    mosaic += conditions.read_noise * rng.standard_normal(width)  # each column has an amplifier
    red, blue = mosaic[0::2, 0::2], mosaic[1::2, 1::2]
    green = (mosaic[0::2, 1::2] + mosaic[1::2, 0::2]) / 2
    colours = np.stack([red, green, blue], axis=-1) / conditions.full_well
    colours = ndimage.gaussian_filter(colours, (0.5, 0.5, 0), mode="nearest")
    return np.round(np.clip(colours, 0, 1) * 255).astype(np.uint8)
