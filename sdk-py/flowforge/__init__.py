"""What authors of FlowForge connectors in Python use.

Every function of ``src/connector.py`` that ``wit/`` names is an operation. Importing this package gives a connector no
capability; importing one of the modules ``http``, ``artefacts``, ``secrets``, ``context``,
``log`` or ``progress`` does.
"""

from .failure import Failure
from .types import Artefact, Case, Json, Secret, secret

__all__ = ["Artefact", "Case", "Failure", "Json", "Secret", "secret"]
