"""How many examples a property is held to: a few and always the same, or in a storm many, and others each time.

`make storms` sets STORM to how many times as many, and gives hypothesis a seed that it prints.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings

STORM = int(os.environ.get("STORM") or 0)


def examples(few: int, **different: Any) -> settings:
    """The settings of a property that `few` examples hold in `make test`."""
    usual: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
    return settings(max_examples=few * max(STORM, 1), derandomize=not STORM, **(usual | different))
