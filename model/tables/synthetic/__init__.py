"""Synthetic tables with the columns, irregularities and habits of real tables, and without any row of them.

Each customer has a hidden risk. It changes what the customer does (amounts, nights, bursts, money that passes through,
failures, crypto) and, with noise added, decides who is suspended. So a model can learn the risk, but not perfectly.

Every synthetic customer's id has a mark (`identifiers.MARK`). By this mark `train` recognises synthetic tables and
labels its report as synthetic.
"""

from customer_risk.model.tables.synthetic.identifiers import are_synthetic
from customer_risk.model.tables.synthetic.shift import BEHAVIOURS, Shift, parse_shift
from customer_risk.model.tables.synthetic.tables import Tables, generate, synthesize

__all__ = ["BEHAVIOURS", "Shift", "Tables", "are_synthetic", "generate", "parse_shift", "synthesize"]
