"""Trains the three checks, measures them on what they were not trained on, and writes both.

python -m examples.moderation.train_checks

It needs scikit-learn, which ships the images; the example itself does not.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from examples.moderation.copyright.model import Copyright, signature
from examples.moderation.image.model import LEVELS, Image
from examples.moderation.language.model import Language, features
from examples.moderation.texts import captions, edited, registered_works, work

FOLDER = Path(__file__).parent
FORBIDDEN = 8
"""The digit that plays the forbidden image."""

HELD_OUT_IMAGES = 0.4
EDITS = (0.0, 0.05, 0.1, 0.2, 0.3)
BOUNDS = {"copyright": (0.15, 0.5), "image": (0.2, 0.9), "language": (0.4, 0.9)}
"""From where the policy reviews, and from where it rejects."""

Vector = npt.NDArray[Any]


def main() -> None:
    """Train, measure and write."""
    rows = [*train_copyright(), *train_language(), *train_image()]
    lines = [
        "| check | tested on | cases | reviewed | rejected | AUC |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    (FOLDER / "figures.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def train_copyright() -> list[list[str]]:
    """Write the works' signatures; return the figures."""
    works = registered_works()
    signatures = np.stack(
        [found for text in works.values() if (found := signature(text)) is not None]
    )
    place = FOLDER / "copyright" / "works.npz"
    np.savez_compressed(place, signatures=signatures.astype(np.uint32), names=np.array(list(works)))
    model = Copyright(place)
    draw = random.Random(11)
    new = np.array([model.similarity(work(draw))[0] for _ in range(2000)])
    rows = [_row("copyright", "new texts", new)]
    for share in EDITS:
        copies = [edited(text, share, draw) for text in works.values()]
        scores = np.array([model.similarity(text)[0] for text in copies])
        rows.append(_row("copyright", f"copies, {share:.0%} of the words changed", scores))
    halves = np.array(
        [model.similarity(text[: len(text) // 2] + work(draw))[0] for text in works.values()]
    )
    return [*rows, _row("copyright", "half a work in another text", halves)]


def train_language() -> list[list[str]]:
    """Write the weights; return the figures."""
    train = captions(6000, random.Random(1), held_out=False)
    test = captions(3000, random.Random(2), held_out=True)
    fitted = LogisticRegression(C=20, max_iter=1000)
    fitted.fit(features([each.text for each in train]), [each.abusive for each in train])
    place = FOLDER / "language" / "weights.npz"
    weights = fitted.coef_[0].astype(np.float16)
    np.savez_compressed(place, weights=weights, intercept=np.float32(fitted.intercept_[0]))
    scores = Language(place).probabilities([each.text for each in test])
    return _both("language", "captions", scores, np.array([each.abusive for each in test]))


def train_image() -> list[list[str]]:
    """Write the weights and the images that were held out; return the figures."""
    digits = load_digits()
    images, labels = digits.data / 16, digits.target
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=HELD_OUT_IMAGES, random_state=3, stratify=labels
    )
    fitted = MLPClassifier((32,), alpha=0.01, max_iter=600, random_state=4)
    fitted.fit(train, train_labels == FORBIDDEN)
    layers = zip(fitted.coefs_, fitted.intercepts_, strict=True)
    arrays = {
        f"{name}{number}": array.astype(np.float32)
        for number, layer in enumerate(layers, 1)
        for name, array in zip(("weights", "biases"), layer, strict=True)
    }
    place = FOLDER / "image" / "weights.npz"
    np.savez_compressed(place, **arrays)
    lines = [
        f"{label} {''.join(LEVELS[round(16 * pixel)] for pixel in image)}\n"
        for label, image in zip(test_labels, test, strict=True)
    ]
    (FOLDER / "image" / "held_out.txt").write_text("".join(lines))
    scores = Image(place).probabilities(test.astype(np.float32))
    return _both("image", "images", scores, test_labels == FORBIDDEN)


def _both(check: str, what: str, scores: Vector, truth: Vector) -> list[list[str]]:
    area = f"{roc_auc_score(truth, scores):.3f}"
    return [
        _row(check, f"{what} that break the rule", scores[truth], area),
        _row(check, f"{what} that do not", scores[~truth], area),
    ]


def _row(check: str, what: str, scores: Vector, area: str = "") -> list[str]:
    review, reject = BOUNDS[check]
    reviewed, rejected = ((scores >= review) & (scores < reject)).mean(), (scores >= reject).mean()
    return [check, what, f"{len(scores):,}", f"{reviewed:.1%}", f"{rejected:.1%}", area]


if __name__ == "__main__":
    main()
