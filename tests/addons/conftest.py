from __future__ import annotations

from tests.conftest import HAS_ADDONS

collect_ignore_glob = [] if HAS_ADDONS else ["test_*.py"]
