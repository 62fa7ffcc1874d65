"""The laws of a learner, derived from its declared kinds and grades, each a function (case, seed).

A seed chooses rows, cuts and factors. What a law needs and a case does not supply breaks the law:
it never passes by absence.
"""

from __future__ import annotations

from nacre.laws import faces, fits, passes, summaries
from nacre.laws.journey import Law

LEARNER_LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        fits.supplies_rows,
        fits.declares_itself,
        summaries.bases_agree,
        summaries.commutative,
        summaries.associative,
        summaries.idempotent_kinds,
        summaries.zero_is_identity,
        summaries.scale_laws,
        summaries.operands_unchanged,
        summaries.round_trips,
        passes.frame_is_all,
        passes.split_invariant,
        passes.weight_is_repetition,
        passes.tiny_batches,
        passes.places_each_row_once,
        passes.inputs_unchanged,
        fits.told_measures_the_model,
        fits.resumes,
        fits.carries_or_refuses,
        fits.answers_row_by_row,
        fits.same_bits_anywhere,
        fits.shard_size_is_nothing,
        fits.few_rows,
        fits.rows_need_not_be_counted,
        fits.bad_rows_change_nothing,
        faces.partial_fit_measures,
        faces.bad_batches_change_nothing,
        faces.answering_changes_nothing,
    )
}
