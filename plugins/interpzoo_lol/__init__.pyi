import interpzoo.plugins  # `attach_stub` takes no other form

from .combination import combine as combine

INTERPZOO_API: int

def register(registry: interpzoo.plugins.Registrar) -> None: ...
