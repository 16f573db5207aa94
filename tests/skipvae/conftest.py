"""What these tests share."""

from tests.core.conftest import one_thread as one_thread
