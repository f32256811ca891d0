#!/usr/bin/env python3
"""Reference ids of Hugging Face tokenizers. usage: make_fixtures.py TOKENIZER_JSON COMMENTS_CSV OUT_DIR"""
import csv, json, sys
from tokenizers import Tokenizer

tok = Tokenizer.from_file(sys.argv[1]); tok.no_padding(); tok.enable_truncation(96)
ids = lambda text: tok.encode(text).ids
rows = [row["text"] for row in csv.DictReader(open(sys.argv[2], encoding="utf-8", newline=""))]
json.dump([ids(text) for text in rows], open(f"{sys.argv[3]}/comments-ids.json", "w"), separators=(",", ":"))

nasty = [
    "", " ", "\t\n\r ", "a", "A", "!", "\0", "a\0b", "\ufffd", "a\ufffdb", "\u200b", "a\u200bb", "a\u200db", "\ufeffhello", "so\u00adft",
    "[SEP]", "[CLS] hello [SEP]", "[sep]", "a[MASK]b", "[PAD][PAD]", "[UNK]", "[[SEP]]", "[SE P]", "[", "[unused5]", "[SEP]\u0301x", "##ing", "## ing", "#hash",
    "Café naïve résumé: déjà vu!", "cafe\u0301", "CAFÉ ÀÉÎÕÜ", "ÅÄÖ åäö", "İstanbul I ı", "ΑΒΓ ΌΔΟΣ ς", "Straße ẞ", "Ǆ ǅ ǆ ﬁ ﬂ", "ÆØ Œ Ł Đ Þ", "Việt Nam Tiếng Việt", "Žluťoučký kůň",
    "日本語 mixed with English", "中文字符", "漢字かな交じり文", "カタカナ ガギグ", "한국어 텍스트", "ﾊﾝｶｸ", "豈 更 \uf900", "𠀀𪜀𫝀𫠠", "\u3007\u3005", "ไทย ภาษาไทย", "हिन्दी में", "தமிழ்", "עברית שָׁלוֹם", "العربية مُحَمَّد", "ქართული ᲥᲐᲠ", "Հայերեն", "Привет, МИР! Ёё Йй",
    "😀", "I 😀 you", "👨‍👩‍👧‍👦 family", "🇩🇪🇫🇷", "👍🏽", "❤️", "☺︎", "1️⃣", "🫠 new", "a\U000e0041b", "\U0010ffff", "\ue000 private",
    "a\u0301\u0302\u0303\u0304", "e\u0323\u0301", "e\u0301\u0323", "\u0301", "\u0301\u0301 x", "q\u0307\u0323", "\u1e9b\u0323", "a\u302eb", "a\u0903", "\u0344", "\u1ab0x", "\u20d0x", "\ufe20x", "\u1df9x", "\u08d4x", "\u0898x",
    "a\u00a0b", "a\u1680b", "a\u2000b\u2003c\u200ad", "a\u2028b\u2029c", "a\u202fb", "a\u205fb", "a\u3000b", "a\u0085b", "a\u000bb", "a\u000cb", "a\u001cb\u001fb", "a\u180eb", "a\u2060b", "a\u061cb", "a\u200eb\u200fc", "a\u007fb", "a\u0080b",
    "don't won't it's I'm", "“quoted” ‘text’ — dash – en … ellipsis", "a-b_c/d\\e|f", "$100 €200 £300 ¥400 50%", "x^2 + y~3 = `z`", "©®™ §¶", "«guillemets» ‹x›", "¿qué? ¡sí!", "、。「」・", "₹ ₿ ⃀", "a\u2e43b \u2e44 \u2e52", "\u061d\u0609", "1/2 ½ ² ③ Ⅷ ℃", "<b>html</b> &amp; &#39;", "user@example.com https://example.com/a?b=c#d",
    "x" * 100, "x" * 101, "x" * 99 + "é", "y" * 100 + " tail", "e\u0301" * 100, "e\u0301" * 101, "é" * 101, "supercalifragilisticexpialidocious", "antidisestablishmentarianism " * 10, "word " * 500, "!" * 300, "a " * 94, "a " * 95, "你" * 200,
    "zzzzqqqqxxxx", "ßßß", "\u0131\u0130", "\uabb0\u13a0 cherokee \uab70", "𝓗𝓮𝓵𝓵𝓸 𝔘𝔫𝔦", "ｆｕｌｌｗｉｄｔｈ！", "Ω Å K", "\u1e9e\u0149", "\u0390\u03b0\u1fb7", "\u2126\u212a\u212b", "\ufb01\ufb1d\ufb4f", "\U0001d15e\U0001d1bb", "\U00011099 \U0001134b", "a\U0001e000b", "\u0958\u0f43", "\uac00\ud7a3", "spaced    out\n\n\nlines\r\n\r\nhere", "trailing space ", " leading", "tab\tseparated\tvalues", "MiXeD CaSe WoRdS", "hello,world.no space;here", "a.b.c.d", "...", "http://url_removed :) #wow @anonymous 100%", "5,000.00", "\u2066bidi\u2069", "e\u200d\u0301", "a\u0000\u0301", "not bad at all", "long " * 900 + "\u0301 end", "x" * 5000 + " tail", "café " * 2000,
]
nasty += [open(path, encoding="utf-8").read() for path in sys.argv[4:]]
json.dump([[text, ids(text)] for text in nasty], open(f"{sys.argv[3]}/nasty.json", "w"), separators=(",", ":"))
print(len(rows), "comments", len(nasty), "others")
