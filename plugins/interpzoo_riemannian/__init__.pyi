from interpzoo.plugins import Registrar
from interpzoo_riemannian.density import density_aware as density_aware
from interpzoo_riemannian.density import neighbor_path as neighbor_path
from interpzoo_riemannian.report import Geodesic as Geodesic
from interpzoo_riemannian.report import NotConvergedWarning as NotConvergedWarning
from interpzoo_riemannian.shooting import analogy as analogy
from interpzoo_riemannian.shooting import exponential_map as exponential_map
from interpzoo_riemannian.shooting import logarithm_map as logarithm_map
from interpzoo_riemannian.shooting import parallel_transport as parallel_transport
from interpzoo_riemannian.solver import geodesic as geodesic
from interpzoo_riemannian.tangents import metric as metric

INTERPZOO_API: int

def register(registry: Registrar) -> None: ...
