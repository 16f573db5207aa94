import interpzoo.plugins  # `attach_stub` takes no other form

from .density import density_aware as density_aware
from .density import neighbor_path as neighbor_path
from .shooting import analogy as analogy
from .shooting import exponential_map as exponential_map
from .shooting import logarithm_map as logarithm_map
from .shooting import parallel_transport as parallel_transport
from .solver import Geodesic as Geodesic
from .solver import NotConvergedWarning as NotConvergedWarning
from .solver import geodesic as geodesic
from .tangents import metric as metric

INTERPZOO_API: int

def register(registry: interpzoo.plugins.Registrar) -> None: ...
