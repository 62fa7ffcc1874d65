"""A model that lives: it absorbs batches once each, for good, and says what it was at any time.

opening.py   `nacre.open`                      model.py     the verbs
taking.py    from a source to leaves           writer.py    one commit after another
version.py   what there is at one number       views.py     windows and earlier times
packing.py   checkpoints and folds             checking.py  is it whole?
"""
