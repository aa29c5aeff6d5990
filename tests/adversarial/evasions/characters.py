"""Other characters for the same value: invisible, wide, foreign, look-alike, reversed, piled up."""

from __future__ import annotations

from evasions import Probe

ZW = "\u200b"
SHY = "\u00ad"
BOM = "\ufeff"
ZWJ = "\u200d"
NBSP = "\u00a0"

PROBES: dict[str, list[Probe]] = {
    "invisible": [
        f"write to ⟦ana{ZW}.lopez@exam{ZW}ple.org⟧ please",
        f"card ⟦4111{ZW}1111{ZW}1111{ZW}1111⟧",
        f"card ⟦5500{SHY}0000{SHY}0000{SHY}0004⟧ exp soon",
        f"my SSN: ⟦536{BOM}-90-{BOM}4399⟧",
        f"ssn ⟦53{SHY}6-9{SHY}0-43{SHY}99⟧",
        f"mail ⟦petra{ZWJ}.novak@{ZWJ}mail.cz⟧",
        "iban ⟦DE89\u2060370400440532\u2060013000⟧",
        "call ⟦+1 212\u200e-736-\u200f5000⟧ now",
        "s\u200bsn is ⟦536904399⟧",
        "ip ⟦10.\u200b20.30.\u200b40⟧",
        "card ⟦4\U000e00201\U000e00211\U000e00221 1111 1111 1111⟧",
        "ssn ⟦536\u115f-90-\u31644399⟧",
    ],
    "wide and styled": [
        "card ⟦\uff14\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11⟧",
        "mail ⟦ana.lopez\uff20example\uff0eorg⟧",
        "ssn ⟦\U0001d7d3\U0001d7d1\U0001d7d4-\U0001d7d7\U0001d7ce-\U0001d7d2\U0001d7d1\U0001d7d7\U0001d7d7⟧",
        "ssn ⟦\u2464\u2462\u2465-\u2468\u24ea-\u2463\u2462\u2468\u2468⟧",
        "mail ⟦\U0001d41a\U0001d427\U0001d41a@\U0001d426\U0001d41a\U0001d422\U0001d425.org⟧",
        "card ⟦\U0001d7f0\U0001d7ed\U0001d7ed\U0001d7ed-1111-1111-\U0001d7ed\U0001d7ed\U0001d7ed\U0001d7ed⟧",
        "phone ⟦\uff08212\uff09736\uff0d5000⟧",
        "mail ⟦\u24d0\u24dd\u24d0@\u24d4\u24e7\u24d0\u24dc\u24df\u24db\u24d4.org⟧",
        "ssn ⟦⑤③⑥-⑨⓪-④③⑨⑨⟧ thanks",
        "mail ⟦ana﹫example.org⟧",
    ],
    "digits of other scripts": [
        "ssn ⟦\u0665\u0663\u0666-\u0669\u0660-\u0664\u0663\u0669\u0669⟧",
        "card ⟦\u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661⟧",
        "phone ⟦+1 \u06f2\u06f1\u06f2 \u06f7\u06f3\u06f6 \u06f5\u06f0\u06f0\u06f0⟧",
        "ssn ⟦\u096b\u0969\u096c-\u096f\u0966-\u096a\u0969\u096f\u096f⟧",
        "card ⟦\u0e54\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51\u0e51⟧",
    ],
    "spaces and dashes": [
        f"card ⟦4111{NBSP}1111{NBSP}1111{NBSP}1111⟧",
        "ssn ⟦536\u201190\u20114399⟧",
        "ssn ⟦536\u201390\u20134399⟧",
        "ssn ⟦536\u221290\u22124399⟧",
        "card ⟦4111\u20091111\u20091111\u20091111⟧",
        "card ⟦4111\u30001111\u30001111\u30001111⟧",
        "card ⟦4111\u20141111\u20141111\u20141111⟧",
        "iban ⟦GB82\u202fWEST\u202f1234\u202f5698\u202f7654\u202f32⟧",
    ],
    "look-alike letters": [
        "mail ⟦\u0430n\u0430@ex\u0430mple.\u043erg⟧",
        "\u0455\u0455n ⟦536904399⟧",
        "\u0420assw\u043erd: ⟦correct-horse-42⟧",
        "my name is ⟦J\u043ehn Smith⟧, hello",
        "my name is ⟦\u039cary \u0391nn Jones⟧",
        "mail ⟦\u0455andra@g\u043cail.com⟧",
        "m\u0443 \u0455\u0455n is ⟦536904399⟧",
        "patient ⟦\u0405arah Connor⟧ was admitted yesterday",
        "\u041cRN ⟦4839201⟧",
        "cv\u03bd: ⟦737⟧ on the card",
    ],
    "letters for digits": [
        "ssn ⟦536-9O-4399⟧",
        "SSN ⟦S36-9O-4399⟧",
        "card ⟦4111 1111 1lll 1111⟧",
        "card ⟦41I1 I111 1111 1111⟧",
        "my social is ⟦536-90-43gg⟧",
        "phone ⟦2l2-736-5OOO⟧",
        "card number ⟦55OO OOOO OOOO OOO4⟧",
        "ssn: ⟦5369O4399⟧",
        "card ⟦4111-|111-1111-1111⟧",
        "IBAN ⟦DE89 37O4 OO44 O532 O13O OO⟧",
    ],
    "leet": [
        "my name is ⟦J0hn Sm1th⟧ by the way",
        "p4ssw0rd: ⟦hunter2x⟧",
        "p@ssword = ⟦Tr0ub4dor&3⟧",
        "call ⟦M4ria G0nzalez⟧ about it",
        "55n: ⟦536904399⟧",
    ],
    "direction": [
        "ssn \u202e⟦9934-09-635⟧\u202c ok",
        "mail \u202e⟦gro.elpmaxe@ana⟧\u202c",
        "card \u202e⟦1111 1111 1111 1114⟧\u202c",
        "my card reversed is ⟦1111 1111 1111 1114⟧",
        "ssn backwards: ⟦9934-09-635⟧",
        "reach me at ⟦moc.liamg@htims.nhoj⟧",
        "phone (reversed) ⟦0005-637-212⟧",
        "ssn \u2067⟦536-90-4399⟧\u2069",
        "mail \u202a⟦ana.lopez@example.org⟧\u202c",
    ],
    "combining marks": [
        "my name is ⟦J\u0336o\u0336h\u0336n\u0336 S\u0336m\u0336i\u0336t\u0336h\u0336⟧",
        "ssn ⟦5\u03363\u03366\u0336-9\u03360\u0336-4\u03363\u03369\u03369\u0336⟧",
        "mail ⟦a\u0332n\u0332a\u0332@e\u0332x\u0332ample.org⟧",
        "card ⟦4\u20e31\u20e31\u20e31\u20e3 1111 1111 1111⟧",
        "my name is ⟦J\u0301o\u0308h\u0323n\u0302 S\u0301m\u0308ith⟧",
        "phone ⟦2\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e3 736 5000⟧",
    ],
}
