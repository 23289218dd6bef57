"""Do all peers compute the same thing? Between peers that do not, speed cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from peers.base import Peer
from workloads import Array

STEPS = 2
ROUNDING = 8 * np.finfo(np.float32).eps  # of the parameter itself: a vanished gradient drowns in it


class DisagreementError(AssertionError):
    """Two peers trained the same minibatches from the same weights to different results."""


def check(peers: Sequence[Peer]) -> dict[str, NDArray[np.floating]]:
    """Train every peer for one step and STEPS more; raise where its update or their losses differ.

    Of later updates than the first little can be said: rounding turns single ReLUs on or off, in any
    two of the peers, and deep networks amplify it.

    The peers must all be new, and are left as they are after those steps.

    Returns
    -------
    dict of name to (STEPS,) array
        The losses that each peer found.

    Raises
    ------
    DisagreementError
        If a peer differs from the first of them.
    """
    workload = peers[0].workload
    start = workload.initial_weights()
    for peer in peers:
        peer.losses(1)
    updates = {peer.name: _updates(start, peer.parameters()) for peer in peers}
    losses = {peer.name: peer.losses(STEPS) for peer in peers}
    reference = peers[0].name
    for name, found in losses.items():
        if not np.allclose(found, losses[reference], rtol=workload.tolerance, atol=0):
            raise DisagreementError(
                f"losses of {name} are {found}, those of {reference} {losses[reference]}"
            )
        for parameter, update in updates[name].items():
            expected = updates[reference][parameter]
            allowed = workload.tolerance * np.linalg.norm(expected)
            allowed += ROUNDING * (np.linalg.norm(start[parameter]) + np.linalg.norm(expected))
            error = np.linalg.norm(update - expected)
            if not error <= allowed:  # catches NaN as well
                raise DisagreementError(
                    f"{parameter}: the update of {name} differs from that of {reference} "
                    f"by {error:.3g} in L2 norm, at most {allowed:.3g} was expected"
                )
    return losses


def _updates(start: dict[str, Array], end: dict[str, Array]) -> dict[str, Array]:
    """Return what training added to each parameter."""
    return {name: end[name] - before for name, before in start.items()}
