"""Every way that a model has of being somewhere else, for tests of what goes with it."""

import copy
import pickle

import vgcore as vg


def through_file(model, folder):
    model.save(folder / "copied")
    return vg.load(folder / "copied")


COPIES = {
    "file": through_file,
    **{
        f"pickle {protocol}": lambda model, _, p=protocol: pickle.loads(pickle.dumps(model, p))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": lambda model, _: copy.copy(model),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}
