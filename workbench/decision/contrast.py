"""The headline question: the answer against the best plan of the other kind of provider, over the same draws."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from workbench.decision.draws import Array
from workbench.decision.offers import Option
from workbench.decision.outcome import Outcome, Plan
from workbench.decision.study import Study
from workbench.records import Evidence, Facts

HYPERSCALER, NEOCLOUD, MIX = "hyperscaler", "neocloud", "mix"
SIDES = (HYPERSCALER, NEOCLOUD, MIX)
"""Whoever is no hyperscaler is on the neocloud's side of the question; a plan with both is a mix."""
PER_PROVIDER = 2
"""More rows of one provider than this hide the rest of the market."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The answer and its best rival of the other kind. `saving` is USD over the horizon, one figure a draw."""

    answer: Outcome
    rival: Outcome
    side: str
    rival_side: str

    @property
    def whom(self) -> str:
        """The rival in words."""
        return f"best {self.rival_side}" if self.rival_side != self.side else "next option"

    @property
    def who(self) -> str:
        """The answer in words: by its kind where that tells the two apart."""
        return self.side if self.rival_side != self.side else "answer"

    @property
    def saving(self) -> Array:
        """What the answer costs less than the rival in each draw; below zero where it costs more."""
        return self.rival.total - self.answer.total

    @property
    def mean(self) -> float:
        return float(self.saving.mean())

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.saving, share))

    @property
    def share(self) -> float:
        """The mean saving as a share of what the rival costs."""
        return self.mean / self.rival.mean if self.rival.mean else 0.0

    @property
    def probability(self) -> float:
        """Share of draws in which the answer is the cheaper of the two; a tie counts half."""
        saving = self.saving
        return float((saving > 0).mean() + (saving == 0).mean() / 2)

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of both, those of the answer first."""
        return tuple(dict.fromkeys((*self.answer.rows, *self.rival.rows)))

    @property
    def evidence(self) -> Evidence:
        return max(weakest(self.answer), weakest(self.rival), key=lambda e: e.rank)


def side(plan: Plan, facts: Facts) -> str:
    """Which side of the question a plan is on: hyperscaler, neocloud or, with both in it, mix."""
    found = {facts.provider_kinds.get(p, ("other", ""))[0] == HYPERSCALER for p in plan.providers}
    return MIX if len(found) > 1 else HYPERSCALER if found == {True} else NEOCLOUD


def contrast(study: Study) -> Contrast | None:
    """The answer against the cheapest plan of the other kind; None where no such plan is feasible.

    A mix is held against the cheapest plan that is none.
    """
    own = side(study.answer.plan, study.facts)
    sides = [(o, side(o.plan, study.facts)) for o in study.outcomes]
    found = next(((o, s) for o, s in sides if s not in (own, MIX)), None)
    return found and Contrast(answer=study.answer, rival=found[0], side=own, rival_side=found[1])


def closest(study: Study) -> Contrast | None:
    """The contrast, or the answer against the runner-up where all options are of one kind; None with one option."""
    found, own = contrast(study), side(study.answer.plan, study.facts)
    if found is not None or study.rival is None:
        return found
    return Contrast(answer=study.answer, rival=study.rival, side=own, rival_side=own)


def shortlist(study: Study, size: int) -> list[Outcome]:
    """The best options by mean, one for each provider before any provider's second; the answer, its runner-up and the
    contrast are always among them."""
    other = contrast(study)
    must = [o for o in (study.answer, other and other.rival, study.rival) if o is not None]
    firsts = {o.plan.providers: o for o in reversed(study.outcomes)}.values()
    ranked = dict.fromkeys(id(o) for o in (*must, *sorted(firsts, key=lambda o: o.mean), *study.outcomes))
    by_id = {id(o): o for o in study.outcomes}
    held: Counter[tuple[str, ...]] = Counter()
    chosen: list[Outcome] = []
    for found in map(by_id.__getitem__, ranked):
        held[found.plan.providers] += 1
        if held[found.plan.providers] <= PER_PROVIDER and len(chosen) < size:
            chosen.append(found)
    return sorted(chosen, key=lambda o: (o.mean, o.plan.id))


def weakest(outcome: Outcome) -> Evidence:
    """The weakest class of evidence that any part of the total rests on."""
    used = [e for part, e in outcome.part_evidence.items() if outcome.parts[part]]
    return max(used or [Evidence.MEASURED], key=lambda e: e.rank)


def label(plan: Plan) -> str:
    """A plan in a few words: seller, product where it has a name of its own, accelerator, how it is bought."""
    if len(plan.legs) > 1:
        return " + ".join(f"{seller(leg)} {leg.terms}" for leg in plan.legs)
    return f"{seller(plan.head)}, {plan.head.price.gpu}, {plan.head.terms}"


def seller(option: Option) -> str:
    """`GCP Vertex AI`, but plain `RunPod`: a product in lower case (pods, serverless, cloud) is a word, not a name."""
    if option.product.startswith(option.provider):
        return option.product
    return option.provider if option.product.islower() else f"{option.provider} {option.product}"


def labels(outcomes: list[Outcome]) -> list[str]:
    """A label for each, with the offer's own name where two would read the same."""
    plain = [label(o.plan) for o in outcomes]
    again = {text for text, count in Counter(plain).items() if count > 1}
    return [
        f"{text}, {' + '.join(leg.offer for leg in o.plan.legs)}" if text in again else text
        for text, o in zip(plain, outcomes, strict=True)
    ]
