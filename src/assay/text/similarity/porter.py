"""Porter's stemmer, with the changes that NLTK made to it: what rouge_score's `use_stemmer` means.

Source: Porter 1980, "An algorithm for suffix stripping"; the rules below are its steps. NLTK's PorterStemmer in its
default mode differs from the paper, and so does this: a few irregular words, "ies" and "ied" of four letters, y after a
vowel, "alli", "fulli" and "logi" in step 2, and *o of two letters. Those places are marked.
"""

from __future__ import annotations

from functools import lru_cache

IRREGULAR = {
    **{"skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "innings": "inning", "outings": "outing"},
    **{"cannings": "canning"},
    **{word: word for word in ("sky", "news", "inning", "outing", "canning", "howe", "proceed", "exceed", "succeed")},
}
"""NLTK's list."""
_STEP_2 = {
    **{"ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "bli": "ble", "alli": "al"},
    **{"entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al"},
    **{"iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble"},
    **{"fulli": "ful"},  # NLTK's
}
_STEP_3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
_STEP_4 = (
    *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate"),
    *("iti", "ous", "ive", "ize"),
)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The stem of an English word in lower case."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) <= 2:
        return word
    return _tidied(_without_ending(_step_3(_step_2(_y_to_i(_past(_singular(word)))))))


def _shape(word: str) -> str:
    """Each letter as c or v; y is a vowel after a consonant."""
    found = ""
    parts = []
    for letter in word:
        found = "v" if letter in "aeiou" or (letter == "y" and found == "c") else "c"
        parts.append(found)
    return "".join(parts)


def _measure(word: str) -> int:
    """The paper's m: how often a vowel is followed by a consonant."""
    return _shape(word).count("vc")


def _ends_cvc(word: str) -> bool:
    """The paper's *o; also two letters vc, which is NLTK's."""
    shape = _shape(word)
    return (shape[-3:] == "cvc" and word[-1] not in "wxy") or shape == "vc"


def _doubled(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _shape(word)[-1] == "c"


def _singular(word: str) -> str:
    """Step 1a."""
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]  # four letters: NLTK's
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    """Step 1b."""
    if word.endswith("ied"):  # NLTK's
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        if word.endswith(ending) and "v" in _shape(word[: -len(ending)]):
            return _mended(word[: -len(ending)])
    return word


def _mended(word: str) -> str:
    """What step 1b does after it took an ending off."""
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if _doubled(word):
        return word if word[-1] in "lsz" else word[:-1]
    return word + "e" if _measure(word) == 1 and _ends_cvc(word) else word


def _y_to_i(word: str) -> str:
    """Step 1c as NLTK has it: after a consonant that is not the first letter."""
    return f"{word[:-1]}i" if word.endswith("y") and len(word) > 2 and _shape(word)[-2] == "c" else word


def _step_2(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        return _step_2(word[:-2])  # once more: NLTK's
    if word.endswith("logi"):
        return word[:-1] if _measure(word[:-3]) > 0 else word  # the l belongs to the stem: NLTK's
    return _replaced(word, _STEP_2)


def _step_3(word: str) -> str:
    return _replaced(word, _STEP_3)


def _replaced(word: str, rules: dict[str, str]) -> str:
    """By the first rule whose ending the word has, where m > 0 before it."""
    for ending, instead in rules.items():
        if word.endswith(ending):
            kept = word[: -len(ending)]
            return kept + instead if _measure(kept) > 0 else word
    return word


def _without_ending(word: str) -> str:
    """Step 4."""
    for ending in _STEP_4:
        if word.endswith(ending):
            kept = word[: -len(ending)]
            return kept if _measure(kept) > 1 and (ending != "ion" or kept[-1] in "st") else word
    return word


def _tidied(word: str) -> str:
    """Step 5."""
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _ends_cvc(word[:-1])):
            word = word[:-1]
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
