"""The stages of a run that measure what was trained."""

from __future__ import annotations

from assay.core.roles import Artifact, Evaluator, Scorer
from assay.pipeline.plan import ASKED, BESIDE, Placed, main_arm, pupils_of, sources_of
from assay.pipeline.stages.measure import MeasureArm, to_do
from assay.pipeline.stages.measure import shards as measure_shards
from assay.pipeline.stages.ood import MICROSECONDS, PARAMETERS, REFERENCE, OodShard, ScoreOod
from assay.pipeline.stages.shards import ProveArm, ProveShard, part, readable
from assay.pipeline.stages.workshop import Workshop, fresh, read_artifact
from assay.store.rows import read_results


class Proving(Workshop):
    """What `Runner` does to prove."""

    def _prove(self, placed: Placed) -> dict[str, int]:
        return self._proved(placed, self._proof.evaluate, "holdout")

    def _also(self, placed: Placed) -> dict[str, int]:
        name = placed.stage.name.removeprefix(BESIDE)
        return self._proved(placed, self._proof.also[name].evaluate, f"{ASKED}{name}")

    def _proved(self, placed: Placed, evaluator: Evaluator, asked: str) -> dict[str, int]:
        """What an evaluator says of every trained model."""
        cells = self._proof.cells
        shards = [
            ProveShard(placed.folder / part(cell), arm, nth, read_artifact(self.folders[f"train-{arm}-{nth}"]))
            for cell, (arm, nth) in enumerate(cells)
        ]
        todo = [shard for shard in shards if readable(shard.target, read_results) is None]
        work = ProveArm(self._with_models(evaluator), self.models, self.folders[asked])
        rows = self.receipts[asked].counts["rows"]
        tallies = self._map(work, todo, placed, rows * len(cells), rows * (len(cells) - len(todo)))
        return {"rows": rows * len(cells), "fresh": fresh(tallies)}

    def _measure(self, placed: Placed) -> dict[str, int]:
        return self._answers(placed, self._proof.measures[placed.stage.name.removeprefix("measure-")], duel=False)

    def _duel(self, placed: Placed) -> dict[str, int]:
        assert self._proof.duel is not None, "only a recipe with prove.duel has a stage of that name"
        return self._answers(placed, self._proof.duel, duel=True)

    def _answers(self, placed: Placed, scorer: Scorer, *, duel: bool) -> dict[str, int]:
        """What a scorer says of every model's answers."""
        shards = measure_shards(self._proof, placed.folder, self.folders["prove"], duel=duel)
        todo = to_do(shards)
        rows = self.receipts["holdout"].counts["rows"]
        work = MeasureArm(self._with_models(scorer), self.models, self.recipe.seed, self.folders["holdout"])
        tallies = self._map(work, todo, placed, rows * len(shards), rows * (len(shards) - len(todo)))
        return {
            "rows": rows * len(shards),
            "failed": sum(tally.failed for tally in tallies),
            "fresh": fresh(tallies),
        }

    def _reference(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        shard = ProveShard(placed.folder / part(0), REFERENCE, 0, Artifact(proof.reference, "image-classifier", ""))
        rows = self.receipts["holdout"].counts["rows"]
        self._map(ProveArm(proof.evaluate, self.models, self.folders["holdout"]), [shard], placed, rows, 0)
        return {"rows": rows}

    def _agree(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        arms = pupils_of(proof)
        shards = [
            ProveShard(placed.folder / part(nth), arm, 0, read_artifact(self.folders[f"train-{arm}-0"]))
            for nth, arm in enumerate(arms)
        ]
        rows = self.receipts["generate"].counts["made"] * len(arms)
        self._map(ProveArm(proof.evaluate, self.models, self.folders["generate"]), shards, placed, rows, 0)
        return {"rows": rows}

    def _ood_scores(self, placed: Placed) -> dict[str, int]:
        proof = self._proof
        assert proof.ood_scores is not None, "only a recipe with prove.ood_scores has a stage of that name"
        arm = main_arm(proof)
        models = {arm: read_artifact(self.folders[f"train-{arm}-0"])}
        if proof.reference:
            models[REFERENCE] = Artifact(proof.reference, "image-classifier", "")
        sources = sources_of(proof)
        strangers = {name: self.folders[name] for name in sources if name.startswith("ood-")}
        work = ScoreOod(proof.ood_scores, self.models, self.folders["calibrate"], self.folders["holdout"], strangers)
        shards = [
            OodShard(placed.folder / part(nth), name, artifact) for nth, (name, artifact) in enumerate(models.items())
        ]
        shown = [name for name in sources if name != "real" and not name.startswith(ASKED)]
        each = sum(self.receipts[name].counts["rows"] for name in shown)
        said = self._map(work, shards, placed, each * len(shards), 0)
        # Seconds belong into a receipt: a part has the same bytes at every run.
        speeds = {f"{MICROSECONDS}{shard.arm}": one.microseconds for shard, one in zip(shards, said, strict=True)}
        sizes = {f"{PARAMETERS}{shard.arm}": one.parameters for shard, one in zip(shards, said, strict=True)}
        return {"rows": sum(one.rows for one in said), **sizes, **speeds}
