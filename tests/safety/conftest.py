"""A Hub and a process of their own, whose memory is measured."""

from tests.hub.conftest import hub as hub
from tests.hub.conftest import process as process
from tests.hub.conftest import server as server
