"""Texts that the example needs, drawn by seed: works, copies of them, and captions.

None was written by a person on purpose. Works share one small vocabulary and one sentence pattern,
so that texts that are no copies of each other still have word sequences in common. Captions are
made of patterns and words; half of either is kept from training.
"""

import random
from typing import NamedTuple

ADJECTIVES = (
    "pale quiet broken golden distant hollow early silver burning patient crooked tender "
    "northern lonely bitter gentle secret narrow frozen restless"
).split()
NOUNS = (
    "river window harbour lantern winter garden engine mirror island station feather orchard "
    "tunnel letter shadow kitchen bridge violin summer ladder valley market carpet thunder "
    "compass blanket candle doorway sparrow meadow"
).split()
VERBS = ("follows carries forgets remembers answers crosses hides paints breaks mends").split()
PLACES = ["under", "behind", "beside", "above", "beyond", "inside", "across", "around"]

WORK_SENTENCES = 12
WORK_SEED = 7

MENTIONS = (
    "my dog, this song, the new bridge, our garden, that old film, your photo, his guitar, "
    "the match, her cake, this town"
).split(", ")
PRAISE = ("lovely great bright funny brilliant sweet calm clever wonderful neat").split()
INSULTS = (
    "idiot moron loser clown fool coward pig scumbag dimwit weasel imbecile rat brute jerk"
).split()
SLURS = ["stupid", "pathetic", "worthless", "disgusting", "useless", "brainless", "ugly", "vile"]

CIVIL = (
    "{mention} is {praise}",
    "I love {mention}, so {praise}",
    "what a {praise} day with {mention}",
    "{mention} was {slur}, but I liked the end",
    "I felt like an {insult} when I lost {mention}",
    "do not call people {insult}, please",
    "thank you for {mention}",
    "the {insult} in that film is played well",
    "is {mention} still there?",
    "you are {praise}, see you at {mention}",
    "nobody here is {slur}, be kind",
    "{mention} looks {praise} from above",
    "you are no {insult}, you only forgot {mention}",
    "sorry that I was {slur} about {mention}",
)
ABUSIVE = (
    "you are a {insult}",
    "shut up, you {slur} {insult}",
    "what a {slur} {insult} you are",
    "go away, {insult}, nobody wants you",
    "you {slur} {insult}, delete {mention}",
    "everybody knows you are {slur}",
    "only a {insult} like you likes {mention}",
    "you and {mention} are {slur}, {insult}",
    "how {slur} can one be, you {insult}",
    "get lost, you are {slur} and a {insult}",
)
DISGUISES = {"i": "1", "o": "0", "e": "3", "a": "@"}
DISGUISED = 0.2
"""The share of abusive captions in whose drawn words a letter is replaced."""


class Caption(NamedTuple):
    """A caption, and whether it is abusive."""

    text: str
    abusive: bool


def work(draw: random.Random) -> str:
    """Return a text of 96 words."""
    return ". ".join(_sentence(draw) for _ in range(WORK_SENTENCES)) + "."


def registered_works(count: int = 200) -> dict[str, str]:
    """Return the registered works by name."""
    draw = random.Random(WORK_SEED)
    return {f"work-{number:03}": work(draw) for number in range(count)}


def edited(text: str, share: float, draw: random.Random) -> str:
    """Return a text in which a share of the words is replaced, dropped or doubled."""
    words: list[str] = []
    for word in text.split():
        if draw.random() >= share:
            words.append(word)
        else:
            words += draw.choice(([], [draw.choice(NOUNS)], [word, word]))
    return " ".join(words)


def captions(count: int, draw: random.Random, *, held_out: bool) -> list[Caption]:
    """Draw captions, a third of them abusive.

    Args:
        count: How many.
        draw: Draws them.
        held_out: Use the patterns and words that are kept from training, else the others.
    """
    half = 1 if held_out else 0
    fields = {
        "mention": MENTIONS,
        "praise": PRAISE,
        "insult": INSULTS,
        "slur": SLURS,
    }
    found = []
    for _ in range(count):
        abusive = draw.random() < 1 / 3
        pattern = draw.choice((ABUSIVE if abusive else CIVIL)[half::2])
        chosen = {name: draw.choice(values[half::2]) for name, values in fields.items()}
        if abusive and draw.random() < DISGUISED:
            chosen = {name: _disguised(word, draw) for name, word in chosen.items()}
        found.append(Caption(pattern.format(**chosen), abusive))
    return found


def _disguised(word: str, draw: random.Random) -> str:
    letter = draw.choice(list(DISGUISES))
    return word.replace(letter, DISGUISES[letter], 1)


def _sentence(draw: random.Random) -> str:
    first, second = draw.sample(NOUNS, 2)
    subject = f"the {draw.choice(ADJECTIVES)} {first} {draw.choice(VERBS)}"
    return f"{subject} {draw.choice(PLACES)} a {draw.choice(ADJECTIVES)} {second}"
