"""What the tests of models share."""

from tests.core.conftest import model as model
from tests.core.conftest import one_thread as one_thread
