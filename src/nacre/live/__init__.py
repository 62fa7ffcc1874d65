"""A model that lives: it absorbs batches once each, for good, and says what it was at any time.

opening.py   `nacre.open`                      model.py     the verbs
taking.py    from a source to leaves           requests.py  what of it is new
writer.py    one commit after another          version.py   what there is at one number
packing.py   checkpoints and folds             views.py     windows and earlier times
erasing.py   as if never seen                  merging.py   several become one
numbering.py lasting numbers of clusters       epochs.py    a new frame, from the sources
checking.py  is it whole?                      follow.py    what appears is absorbed
"""
