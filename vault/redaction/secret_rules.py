"""Rules for secrets: keys with a provider's prefix, tokens, key blocks, passwords, phrases that restore a wallet.

Certain by form, or by the label before them. What a random key looks like decides nothing alone: near a word such
as "secret" it does.
"""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.card_rules import CARD_RULES
from vault.redaction.patterns import Rule, RuleSet

_ASSIGN: Final = r"[\"']?\s{0,3}(?::|=>?)\s{0,3}[\"']?"
_IS: Final = r"\s{1,3}(?:is|was|to|as|=|es|ist|est|\xe9|e'?)\s{1,3}[\"']?"
_PASSWORD: Final = (
    r"(?:passwords?|passwd|passphrase|pass[ _-]?code|pass ?word|pwd|contrase\xf1a|passwort|kennwort"  # noqa: S105  a regex
    r"|mot de passe"
    r"|senha|wachtwoord|parola d'ordine)"
)
_PASSWORD_HINTS: Final = (
    *(
        "passw",
        "passp",
        "passc",
        "pass c",
        "pass w",
        "pass-",
        "pass_",
        "pwd",
        "contrase",
        "kennwort",
        "mot de passe",
    ),
    *("senha", "wachtwoord", "parola"),
)
_KEY: Final = (
    r"(?:(?:api|access|secret|private|auth|client|encryption|signing|service|refresh|session|account"
    r"|bearer|webhook|shared"
    r"|deploy|license|master|id|security|personal access|bot|app|ssh|hmac|jwt)[ _-]?(?:access[ _-]?)?"
    r"(?:key|token|secret|signature)(?:[ _-]?(?:id|key))?|secret|credentials?|apikey|sas[ _-]token)"
)
_KEY_HINTS: Final = ("key", "token", "secret", "credential", "signature")

# Fixed beginnings of providers' keys, each with what follows it.
_PREFIXED: Final = (
    r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255}",  # GitHub
    r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|oas|agent|imt)-[\w-]{20,64}",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[A-Za-z0-9-]{10,250}",  # Slack
    r"sk-(?:proj-|ant-|or-|svcacct-|admin-)?[\w-]{20,250}",  # OpenAI, Anthropic, OpenRouter
    r"[rsp]k_(?:live|test)_\w{10,250}|whsec_[A-Za-z0-9+/=]{16,250}",  # Stripe
    r"AIza[\w-]{35}|ya29\.[\w-]{20,250}|GOCSPX-[\w-]{20,40}",  # Google
    r"hf_[A-Za-z]{30,60}|api_org_[A-Za-z]{30,60}",  # Hugging Face
    r"npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{40,250}|rubygems_[a-f0-9]{40,64}|dckr_pat_[\w-]{20,60}",  # registries
    r"SG\.[\w-]{16,32}\.[\w-]{16,64}|key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}",  # SendGrid, Mailgun, Mailchimp
    r"(?:AC|SK)[0-9a-f]{32}",  # Twilio
    r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}|sq0[a-z]{3}-[\w-]{22,43}|EAAA[\w-]{56,64}",  # Shopify, Square
    r"do[opr]_v1_[a-f0-9]{64}|dop_v1_[a-f0-9]{60,64}|dapi[a-f0-9]{32}|HRKU-[\w-]{30,64}",  # DigitalOcean and others
    r"lin_api_\w{32,64}|ntn_\w{30,64}|figd_[\w-]{30,64}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}",  # Linear and others
    r"gl(?:sa|c)_\w{32,200}|NRAK-[A-Z0-9]{20,40}|sntry[su]_[\w=]{40,200}|pscale_(?:tkn|pw|oauth)_[\w.-]{30,64}",
    r"hv[sbr]\.[\w-]{20,200}|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}",  # Vault and others
    r"r8_[A-Za-z0-9]{30,50}|pplx-[A-Za-z0-9]{40,60}|gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,90}|lsv2_\w{30,90}",
    r"CCIPAT_\w{30,80}|AGE-SECRET-KEY-1[A-Z0-9]{58}|tskey-[\w-]{20,80}|sbp_[a-f0-9]{40}",
    r"dp\.[a-z]{2,5}\.[A-Za-z0-9]{40,44}",
    r"[\w.~-]{3}8Q~[\w.~-]{31,34}",  # Azure client secret
    r"\d{8,10}:[A-Za-z0-9_-]{35}",  # Telegram bot
    r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}",  # Discord bot
)
# Words that follow "my password is" without being one.
_NO_PASSWORD: Final = (
    r"(?!(?:not|no|too|very|still|also|now|only|never|always|required|needed|wrong|incorrect|correct"  # noqa: S105  a regex
    r"|expired|expiring|weak|strong"
    r"|safe|secure|secret|lost|forgotten|stolen|the|a|an|my|our|his|her|their|your|in|on|at|for|from"
    r"|being|been|what|that|this|it"
    r"|changed|reset|saved|stored|hidden|encrypted|hashed|invalid|valid|long|short|easy|hard|different"
    r"|same|unique|protected|set"
    r"|shared|known|written|case|important|good|bad|old|new|going|about|there|here|when|where|because|so"
    r"|really|probably|used"
    r"|working|kept|leaked|compromised|blank|empty|missing|random|complicated|simple|hacked|asked|sent"
    r"|updated|managed)\b)"
)

_SECRETS: Final = (
    RuleSet(
        name="secrets.private_key",
        entity="PRIVATE_KEY",
        unstructured=True,
        rules=(
            Rule(
                name="PEM",
                regex=(
                    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
                    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
                ),
                score=1.0,
                hints=("private key",),
                chars="-",
                whole=True,
            ),
            Rule(
                name="PuTTY",
                regex=r"PuTTY-User-Key-File-\d:[\s\S]*?(?:Private-MAC: ?[0-9a-f]{20,64}|\Z)",
                score=1.0,
                hints=("putty-user-key",),
                whole=True,
            ),
            Rule(
                name="seed phrase",  # BIP 39: 12 to 24 words of three to eight letters
                regex=(
                    r"\b(?:seed|recovery|mnemonic|backup|wallet|secret)(?: recovery)? (?:phrase|words"
                    r"|seed)\W{1,4}(?:is|are|was)?"
                    r"\W{0,3}(?P<value>(?:(?:\d{1,2}[.)] ?)?[a-z]{3,8}[ ,\n]{1,2}){11,23}(?:\d{1,2}[.)]"
                    r" ?)?[a-z]{3,8})\b"
                ),
                score=0.95,
                hints=("phrase", "words", "seed"),
            ),
        ),
    ),
    RuleSet(
        name="secrets.provider",
        entity="API_KEY",
        unstructured=True,
        gate=r"\S{15}",
        rules=(
            Rule(
                name="AWS",
                regex=r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16}\b",
                score=0.97,
                hints=("akia", "asia", "agpa", "aida", "aroa", "aipa", "anpa", "anva"),
                flags=re.NOFLAG,
            ),
            Rule(
                name="prefixed",
                regex=rf"(?<![\w-])(?:{'|'.join(_PREFIXED)})(?![\w-])",
                score=0.97,
                flags=re.NOFLAG,
                whole=True,
            ),
            Rule(
                name="webhook",
                regex=(
                    r"https://(?:hooks\.slack\.com/(?:services|workflows)/[\w/]{20,120}"
                    r"|(?:canary\.|ptb\.)?discord(?:app)?\.com/api/webhooks/\d{15,22}/[\w-]{40,100}"
                    r"|[\w.-]{1,60}\.webhook\.office\.com/[\w/@-]{20,250})"
                ),
                score=0.97,
                hints=("hooks.slack.com", "discord", "webhook.office.com"),
            ),
        ),
    ),
    RuleSet(
        name="secrets.key",
        entity="API_KEY",
        unstructured=True,
        rules=(
            Rule(
                name="JWT",
                regex=r"(?<![\w.-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
                score=0.97,
                hints=("eyj",),
                flags=re.NOFLAG,
                whole=True,
            ),
            Rule(
                name="bearer",
                regex=(
                    r"\b(?:bearer|authorization: ?(?:basic|token|digest"
                    r"|apikey))\s{1,3}(?P<value>[A-Za-z0-9._~+/=-]{16,2000})"
                ),
                score=0.85,
                hints=("bearer", "authorization"),
                whole=True,
            ),
            Rule(
                name="assigned",
                regex=rf"{_KEY}{_ASSIGN}(?P<value>[\w+/=.~-]{{8,250}})",
                score=0.85,
                hints=_KEY_HINTS,
            ),
            Rule(
                name="said",
                regex=rf"{_KEY}{_IS}(?P<value>(?=[\w+/=.~-]{{0,60}}\d)[\w+/=.~-]{{8,250}})",
                score=0.8,
                hints=_KEY_HINTS,
            ),
            Rule(
                name="connection",
                regex=r"\b(?:AccountKey|SharedAccessKey|sig|SharedSecretValue)=(?P<value>[\w+/=%]{20,250})",
                score=0.95,
                hints=("accountkey=", "sharedaccesskey=", "sig=", "sharedsecretvalue="),
            ),
        ),
    ),
    RuleSet(
        name="secrets.random",
        entity="API_KEY",
        gate=r"\S{18}",
        cues=(
            "key",
            "secret",
            "token",
            "password",
            "credential",
            "apikey",
            "auth",
            "aws",
            "azure",
            "stripe",
            "bearer",
            "jwt",
        ),
        rules=(
            Rule(
                name="random",
                regex=r"(?<![\w/+.@=-])[A-Za-z0-9][A-Za-z0-9+/_=.-]{18,126}[A-Za-z0-9=](?![\w/+@-])",
                score=0.0,
                near=0.75,
                check="random",
                digits=1,
            ),
        ),
    ),
    RuleSet(
        name="secrets.password",
        entity="PASSWORD",
        unstructured=True,
        rules=(
            Rule(
                name="assigned",
                regex=rf"{_PASSWORD}{_ASSIGN}(?P<value>[^\s\"',;]{{2,127}}[^\s\"',;.)])",
                score=0.9,
                hints=_PASSWORD_HINTS,
            ),
            Rule(
                name="said",  # in "the password is required" is none: one holds a digit or a symbol
                regex=(
                    rf"{_PASSWORD}(?: (?:for|of|on) (?:[\w'.-]{{1,20}} ){{0,3}}[\w'.-]{{1,20}})?{_IS}"
                    r"(?:now |currently |still )?[\"']?"
                    r"(?P<value>(?=[^\s\"',;]{0,60}[\d@#$%^&*_+=!])[^\s\"',;]{2,127}[^\s\"',;.)])"
                ),
                score=0.85,
                hints=_PASSWORD_HINTS,
            ),
            Rule(
                name="owned",  # "my password is hunter": whose it is, and no word that only describes one
                regex=(
                    rf"\b(?:my|his|her|our|their|your|user(?:'s)?|the) (?:[\w-]{{1,15}}"
                    rf" ){{0,2}}{_PASSWORD}{_IS}{_NO_PASSWORD}"
                    r"(?P<value>[^\s\"',;.!?)]{4,64})(?=[\"']?(?:[.,;!?)]|\s*$|\s(?:and|but|please|for|thanks)\b))"
                ),
                score=0.7,
                hints=_PASSWORD_HINTS,
            ),
            Rule(
                name="quoted",
                regex=rf"{_PASSWORD}(?:\s{{1,3}}(?:is|was|to|as|=))?\s{{1,3}}[\"'](?P<value>[^\"'\n]{{3,64}})[\"']",
                score=0.8,
                hints=_PASSWORD_HINTS,
            ),
            Rule(
                name="beside",
                regex=rf"{_PASSWORD}\s(?P<value>(?=[^\s\"',;]{{0,60}}\d)(?=[^\s\"',;]{{0,60}}[A-Za-z!@#$%^&*])[^\s\"',;]{{4,64}}[^\s\"',;.)])",
                score=0.6,
                digits=1,
                hints=_PASSWORD_HINTS,
            ),
            Rule(
                name="pass code",
                regex=(
                    r"\b(?:pass|entry|door|gate|alarm|access|unlock|garage|security"
                    r" gate)[ _-]?code[\s:=#]{1,3}(?:is |was )?(?P<value>\d{4,8}#?)(?![\w-])"
                ),
                score=0.75,
                digits=4,
                hints=("code",),
            ),
            Rule(
                name="short label",
                regex=r"(?<![\w.-])(?:pw|pass|psw|p/w|creds?)[\"']?\s?[:=]\s{0,2}[\"']?(?P<value>[^\s\"',;]{3,64}[^\s\"',;.)])",
                score=0.8,
                hints=("pw", "pass", "psw", "p/w", "cred"),
            ),
            Rule(
                name="after an address",
                regex=(
                    r"[\w.+-]{1,64}@[\w.-]{2,64} ?(?:/|\||:) ?"
                    r"(?P<value>(?=[^\s/]{0,40}[\d!@#$%^&*])[^\s/]{4,64}[^\s,;.)/'\"])"
                ),
                score=0.7,
                hints=("@",),
            ),
            Rule(
                name="login pair",
                regex=(
                    r"\b(?:log-?in|credentials?|creds|sign-?in)(?: (?:is|are|details"
                    r"|info))?\W{1,3}(?:[\w.@+-]{2,40}) ?[/|:] ?"
                    r"(?P<value>(?=[^\s/]{0,40}[\d!@#$%^&*])[^\s/]{4,64}[^\s,;.)/])"
                ),
                score=0.75,
                hints=("login", "log-in", "credential", "creds", "sign-in", "signin"),
            ),
            Rule(
                name="in a URL",
                regex=r"://[^\s/:@]{0,64}:(?P<value>[^\s/@]{1,128})@",
                score=0.97,
                hints=("://",),
                chars="@:/",
            ),
        ),
    ),
)

SECRET_RULES: Final[tuple[RuleSet, ...]] = (*_SECRETS, *CARD_RULES)
