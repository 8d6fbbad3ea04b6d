"""The model, which encodes each modality and fuses their latents."""

from pyg_ibmea.nn.model.fusion import ModalFusion
from pyg_ibmea.nn.model.graph import ModelGraph
from pyg_ibmea.nn.model.ibmea import IBMEA
from pyg_ibmea.nn.model.output import IBMEAOutput
from pyg_ibmea.options import ModelOptions

__all__ = ["IBMEA", "IBMEAOutput", "ModalFusion", "ModelGraph", "ModelOptions"]
