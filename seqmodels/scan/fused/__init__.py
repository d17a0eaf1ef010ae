"""Any cell as compiled code: its step is traced, derived, written as C, and run over whole sequences."""

from seqmodels.scan.fused.engine import FUSED

__all__ = ["FUSED"]
