import interpzoo.plugins  # `attach_stub` takes no other form

from .averaging import Mean as Mean
from .averaging import average as average
from .morphing import Morph as Morph
from .morphing import MorphReport as MorphReport
from .morphing import morph as morph

INTERPZOO_API: int

def register(registry: interpzoo.plugins.Registrar) -> None: ...
