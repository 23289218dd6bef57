"""Every peer by its name. A new peer is one file beside this one and one line here."""

from __future__ import annotations

from peers.base import Peer
from peers.jax_scan import JaxByHand, JaxJit, JaxScan
from peers.pytorch import PyTorchChannelsLast, PyTorchEager
from peers.pytorch_compiled import PyTorchCompiled
from peers.pytorch_unrolled import PyTorchUnrolled
from peers.vgcore_fit import VgcoreFit, VgcorePerCall, VgcoreTracked

RIVALS: tuple[type[Peer], ...] = (
    PyTorchEager,
    PyTorchChannelsLast,
    PyTorchCompiled,
    JaxScan,
    JaxJit,
)
# These two run recurrent rows only: what a framework can do where its user writes the backward pass, and
# what a user does to see the gradient at every timestep
BY_HAND: tuple[type[Peer], ...] = (JaxByHand,)
TRACKING_RIVALS: tuple[type[Peer], ...] = (PyTorchUnrolled,)
OURS: tuple[type[Peer], ...] = (VgcoreFit, VgcoreTracked, VgcorePerCall)

PEERS: dict[str, type[Peer]] = {
    peer.name: peer for peer in (*RIVALS, *BY_HAND, *TRACKING_RIVALS, *OURS)
}
