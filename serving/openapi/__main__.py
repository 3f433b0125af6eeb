"""The document as it is committed: `python -m customer_risk.serving.openapi > docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from typing import Final

from customer_risk.serving.openapi.document import make_document

MODEL: Final = "customer-risk"  # the default of the setting model_name, which is part of KServe's paths

if __name__ == "__main__":
    sys.stdout.write(json.dumps(make_document(MODEL), indent=2, ensure_ascii=False) + "\n")
