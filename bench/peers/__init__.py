"""The frameworks that are compared, each behind the interface of `peers.base.Peer`."""
