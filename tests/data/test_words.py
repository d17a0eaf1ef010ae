"""Words: one token with its marks in any script, numbers whole, and joining that gives the text back."""

import unicodedata

import pytest

from seqmodels.data.columns.words import join_words, split_words

TEXTS = {
    "Hindi": ("हिन्दी भाषा में लिखा गया यह एक छोटा पाठ है।", 11),
    "Tamil": ("தமிழ் மொழி, வணக்கம்!", 5),
    "Thai": ("สวัสดี ชาวโลก", 2),
    "Arabic": ("مَرْحَبًا بِكُم، كيف الحال؟", 6),
    "Persian": ("می‌خواهم بروم.", 3),
    "Hebrew": ("שָׁלוֹם עוֹלָם", 2),
    "Japanese": ("日本語、テスト。", 4),
    "decomposed": (unicodedata.normalize("NFD", "Une école à Orléans."), 5),
    "numbers": ("It rose by 12.5% to 1,250.75 at 10:30, then 3.", 12),
    "Arabic numbers": ("العدد ١٢٣٫٥ ثم ١٬٢٣٤.", 5),
    "numbers of science": ("From 1.5e-3 to 2E5, and 1e-9.", 8),
    "prices": ("It costs €1.100,20 or £3.", 8),
    "Tibetan": ("ཨོཾ་མ་ཎི་པདྨེ", 7),
    "guillemets": ("Il dit «oui» puis ‘non’.", 10),
    "flags and skins": ("from 🇩🇪 to 🇫🇷, 👍🏽 👩🏾‍🚀!", 8),
    "years": ("In 1984, 2nd and 3D.", 7),
    "pictures": ("fine ❤️ thanks 👩‍💻 you", 5),
    "quotes": ("“Yes,” he said (twice)…", 10),
    "English": ("To be, or not to-day?\nHeav'n", 9),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_word_is_one_token_and_joining_gives_the_text_back(name):
    text, count = TEXTS[name]
    words = split_words(text)
    assert len(words) == count, words
    assert join_words(words) == text


def test_no_token_begins_with_a_mark():
    for text, _ in TEXTS.values():
        assert not [word for word in split_words(text) if unicodedata.category(word[0])[0] == "M"]
