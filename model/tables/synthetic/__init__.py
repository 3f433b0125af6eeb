"""Synthetic tables: the shape, the traps and the habits of real ones, and no row of theirs.

A customer carries a hidden inclination to risk. It tilts what the customer does (amounts, nights, bursts, money passing
through, failures, crypto) and, with noise on top, who is suspended: so risk can be learnt, but not read off.
"""

from customer_risk.model.tables.synthetic.shift import BEHAVIOURS, Shift, parse_shift
from customer_risk.model.tables.synthetic.tables import Tables, generate, synthesize

__all__ = ["BEHAVIOURS", "Shift", "Tables", "generate", "parse_shift", "synthesize"]
