"""The tests. TensorFlow is loaded here, quietly; the processes that they start hush themselves."""

from __future__ import annotations

import importlib
import os
from unittest import mock

from chatbot.system.notices import hush

with mock.patch.dict(os.environ):
    hush()
    importlib.import_module("tensorflow")
