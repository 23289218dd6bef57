"""Every peer by its name. A new peer is one file beside this one and one line here."""

from __future__ import annotations

from peers.base import Peer
from peers.jax_scan import JaxScan
from peers.pytorch import PyTorchCompiled, PyTorchEager
from peers.vgcore_fit import VgcoreFit, VgcorePerCall, VgcoreTracked

RIVALS: tuple[type[Peer], ...] = (PyTorchEager, PyTorchCompiled, JaxScan)
OURS: tuple[type[Peer], ...] = (VgcoreFit, VgcoreTracked, VgcorePerCall)

PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (*RIVALS, *OURS)}
