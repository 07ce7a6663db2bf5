"""Pure. Powers as Go computes them, by repeated squaring: the C library differs in the last digit."""

import math


def power(base: float, exponent: float) -> float:
    """`base ** exponent`. Never an error: what is too large is infinite, what has no value NaN."""
    if exponent == 0 or base == 1:
        return 1.0
    if exponent == 1:
        return base
    if base == 0 or not (math.isfinite(base) and math.isfinite(exponent)):
        return _extreme(base, exponent)
    if abs(exponent) == 0.5:
        root = math.sqrt(base) if base > 0 else math.nan
        return root if exponent > 0 else 1 / root
    part, whole = math.modf(abs(exponent))
    if part and base < 0:
        return math.nan
    if whole >= 2**63:
        return 1.0 if base == -1 else 0.0 if (abs(base) < 1) == (exponent > 0) else math.inf
    return _squared(base, int(whole), part, exponent < 0)


def _extreme(base: float, exponent: float) -> float:
    """Zero, infinity and NaN, as IEEE 754 has them."""
    try:
        return math.pow(base, exponent)
    except ValueError:  # zero to a negative power
        odd = exponent == math.trunc(exponent) and exponent % 2 == 1
        return math.copysign(math.inf, base) if odd else math.inf


def _squared(base: float, whole: int, part: float, inverse: bool) -> float:
    product, exponent = 1.0, 0
    if part:
        if part > 0.5:
            part, whole = part - 1, whole + 1
        product = math.exp(part * math.log(base))
    factor, factor_exponent = math.frexp(base)
    while whole:
        if abs(factor_exponent) > 1 << 12:
            exponent += factor_exponent
            break
        if whole & 1:
            product *= factor
            exponent += factor_exponent
        factor, factor_exponent = factor * factor, factor_exponent * 2
        if factor < 0.5:
            factor, factor_exponent = factor * 2, factor_exponent - 1
        whole >>= 1
    if inverse:
        product, exponent = 1 / product, -exponent
    try:
        return math.ldexp(product, exponent)
    except OverflowError:
        return math.copysign(math.inf, product)
