"""
What each contribution was worth.

* `knn` values rows, by a nearest-neighbour classifier, exactly.
* `schema` counts rows in the cells that data is paid by; `divergence` estimates how far
  continuous data lies from a sample, for display.
* `federated` values the updates of a round of training.
* `sampling` values the members of any game.
* `robust` says which updates not to take as they are.
* `transcript` writes down how values came about, so that anybody can check them.
"""
