"""Synthetic tables: the shape, the traps and the habits of real ones, and no row of theirs.

A customer carries a hidden inclination to risk. It tilts what the customer does (amounts, nights, bursts, money passing
through, failures, crypto) and, with noise on top, who is suspended: so risk can be learnt, but not read off.

Every synthetic customer's id has a mark (`identifiers.MARK`). By this mark `train` recognises synthetic tables and
labels its report as synthetic.
"""

from customer_risk.model.tables.synthetic.identifiers import are_synthetic
from customer_risk.model.tables.synthetic.shift import BEHAVIOURS, Shift, parse_shift
from customer_risk.model.tables.synthetic.tables import Tables, generate, synthesize

__all__ = ["BEHAVIOURS", "Shift", "Tables", "are_synthetic", "generate", "parse_shift", "synthesize"]
