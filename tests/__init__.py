"""The tests. TensorFlow is loaded here, quietly; the processes that they start hush theirs."""

from __future__ import annotations

import importlib
import os
from unittest import mock

from chatbot.system.notices import hushed

with mock.patch.dict(os.environ), hushed():
    importlib.import_module("tensorflow")
