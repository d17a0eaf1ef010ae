"""Functions that generated Triton code calls, the counterpart of ``fused/vectors.c`` for CUDA.

The text of an operation in ``step_graph/operations.py`` serves both, so the functions have the same names. They use
only Triton's own functions, which its interpreter supports, unlike those of CUDA's libdevice. Imported only if Triton
is installed.
"""

import triton
import triton.language as tl


@triton.jit
def v_bool(condition):  # type: ignore[no-untyped-def]
    """Return 1 or 0."""
    return tl.where(condition, 1.0, 0.0)


@triton.jit
def v_where(condition, yes, no):  # type: ignore[no-untyped-def]
    return tl.where(condition != 0, yes, no)


@triton.jit
def v_max(a, b):  # type: ignore[no-untyped-def]
    """Return the larger, or NaN if either is NaN."""
    return tl.where((a > b) | (a != a), a, b)


@triton.jit
def v_min(a, b):  # type: ignore[no-untyped-def]
    return tl.where((a < b) | (a != a), a, b)


@triton.jit
def v_abs(x):  # type: ignore[no-untyped-def]
    return tl.abs(x)


@triton.jit
def v_sign(x):  # type: ignore[no-untyped-def]
    return tl.where(x > 0, 1.0, 0.0) - tl.where(x < 0, 1.0, 0.0)


@triton.jit
def v_floor(x):  # type: ignore[no-untyped-def]
    return tl.floor(x)


@triton.jit
def v_sqrt(x):  # type: ignore[no-untyped-def]
    return tl.sqrt(x)


@triton.jit
def v_exp(x):  # type: ignore[no-untyped-def]
    return tl.exp(x)


@triton.jit
def v_log(x):  # type: ignore[no-untyped-def]
    return tl.log(x)


@triton.jit
def v_sin(x):  # type: ignore[no-untyped-def]
    return tl.sin(x)


@triton.jit
def v_cos(x):  # type: ignore[no-untyped-def]
    return tl.cos(x)


@triton.jit
def v_erf(x):  # type: ignore[no-untyped-def]
    return tl.erf(x)


@triton.jit
def v_expm1(x):  # type: ignore[no-untyped-def]
    """Compute e^x - 1, near 0 by the Taylor series, whose error below 0.3 is under 1e-15."""
    series = 1.0 + x / 12.0
    for n in tl.static_range(11, 1, -1):
        series = 1.0 + x * series / n
    return tl.where(tl.abs(x) < 0.3, x * series, tl.exp(x) - 1.0)


@triton.jit
def v_log1p(x):  # type: ignore[no-untyped-def]
    """Compute log(1 + x), near 0 by the series of 2 artanh(x / (2 + x)): the device's log has an error of 1e-7."""
    s = x / (2.0 + x)
    square = s * s
    series = 1.0 / 17.0 + square / 19.0
    for n in tl.static_range(15, 0, -2):
        series = 1.0 / n + square * series
    return tl.where(tl.abs(x) < 0.25, 2.0 * s * series, tl.log(1.0 + x))


@triton.jit
def v_sigmoid(x):  # type: ignore[no-untyped-def]
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def v_tanh(x):  # type: ignore[no-untyped-def]
    """Compute tanh, near 0 by the Taylor series (error below 1e-13 up to 0.3), else by exp, which may overflow."""
    s = x * x
    series = -929569.0 / 638512875.0 + s * (6404582.0 / 10854718875.0)
    series = 21844.0 / 6081075.0 + s * series
    series = -1382.0 / 155925.0 + s * series
    series = 62.0 / 2835.0 + s * series
    series = -17.0 / 315.0 + s * series
    series = 2.0 / 15.0 + s * series
    series = x + x * s * (-1.0 / 3.0 + s * series)
    return tl.where(tl.abs(x) < 0.3, series, 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0))


@triton.jit
def v_pow(x, y):  # type: ignore[no-untyped-def]
    """Compute x^y; NaN for negative x unless y is a whole number."""
    size = tl.exp(y * tl.log(tl.abs(x)))
    odd = tl.floor(y * 0.5) * 2.0 != y
    signed = tl.where(tl.floor(y) == y, tl.where(odd, -size, size), float("nan"))
    return tl.where(y == 0.0, 1.0, tl.where(x < 0.0, signed, size))


@triton.jit
def v_softplus(x):  # type: ignore[no-untyped-def]
    return v_max(x, 0.0) + v_log1p(v_exp(-v_abs(x)))
