"""Our own sentences: other languages, and English ones in which a name stands where names are easily missed.

They teach the names model that a capitalised word of German is not yet a name, that a name in French or Polish is
one, and that a surname before a noun or in a list is one. `{p}` is a person, `{f}` a forename, `{s}` a surname,
`{l}` a place, `{n}` and `{m}` ordinary nouns of the language, `~` a new line.
"""

from __future__ import annotations

import random
import re
from typing import Final

from training.ner_data import Names, Sample, Span

_SLOT: Final = re.compile(r"\{([pfslnm])\}")

# For each language: sentences, and nouns to put in.
LANGUAGES: Final[dict[str, tuple[str, str]]] = {
    "de": (
        """Ich habe gestern {n} und {m} gekauft.
Mein Bruder {p} wohnt jetzt in {l}.
Die {n} steht neben der {m} im Flur.
Kannst du {p} bitte wegen der {n} anrufen?
Sehr geehrte Frau {p}, vielen Dank für Ihre {n}.
Sehr geehrter Herr {p}, Ihre {n} ist bei uns eingegangen.
Meine Tochter heißt {p} und geht in {l} zur Schule.
Wir fahren am Wochenende mit der {n} nach {l}.
Der Arzt hat mir gegen die {n} eine {m} verschrieben.
Im Keller stehen noch {n}, {m} und die alte Lampe.
Der Nutzer mag {n} lieber als {m}.
Die Nutzerin hat einen Hund und interessiert sich für {n}.
Heute Abend treffe ich {p} und {p} im Restaurant.
Die Rechnung für die {n} ist höher als im letzten Jahr.
{p} hat am Montag Geburtstag und wünscht sich {n}.
Bitte schicken Sie die {n} an meine neue Adresse in {l}.
Am Dienstag wird die {n} repariert, danach kommt die {m} dran.
Der Patient klagt über {n} und nimmt täglich {m}.
Patientin {p}, wohnhaft in {l}, kam wegen {n} in die Praxis.
Frau {p} aus {l} hat die {n} gekündigt.
Unsere Nachbarin {p} hat eine Katze und viel {n}.
Wegen der {n} kam die Bahn heute mit Verspätung an.
Die Kinder haben Angst vor der {n}, aber die {m} mögen sie.
Für den Kuchen brauchst du Mehl, Zucker, {n} und {m}.
Liebe {p}, danke für die schöne {n}!
Mit freundlichen Grüßen~{p}
Gestern war das Wetter schlecht, deshalb blieben wir bei {n} und {m} zu Hause.
Guten Morgen! Wie war die {n} gestern?
Das Passwort für die {n} habe ich leider vergessen.
Meine Frau {p} arbeitet als Lehrerin in {l}.
Der Vertrag über die {n} endet im März, die {m} läuft weiter.
Er sagte, {p} habe die {n} schon bezahlt.
Die Sitzung zum Thema {n} findet am Freitag im großen Saal statt.
Wo liegt die {n} von {p}?
Ohne {n} keine {m}, sagt meine Oma immer.""",
        """Waschmaschine Rechnung Lampe Küche Wohnung Arbeit Schule Zeitung Tasche Brille Jacke Versicherung Steuer
Heizung Werkstatt Garage Treppe Terrasse Milch Butter Marmelade Suppe Kartoffeln Tomaten Zwiebeln Nudeln Tabletten
Kopfschmerzen Rückenschmerzen Allergie Operation Salbe Spritze Behandlung Diagnose Untersuchung Therapie Impfung
Besprechung Präsentation Abteilung Bewerbung Kündigung Gehaltserhöhung Überstunden Urlaub Reise Fahrkarte Buchung
Bestellung Lieferung Rücksendung Zahlung Überweisung Miete Kaution Anmeldung Prüfung Hausaufgaben Klausur Note Musik
Gitarre Fußball Schwimmen Wanderung Fahrrad Auto Zug Flug Hotel Strand Berge See Wald Garten Blumen Hund Katze Vogel
Computer Drucker Bildschirm Tastatur Software Update Fehlermeldung Telefon Handy Vertrag Tarif Kundennummer Angebot
Geschenk Feier Hochzeit Weihnachten Ostern Sommer Winter Frühling Herbst Wetter Regen Schnee Sonne Angst Freude Liebe
Gesundheit Zeit Geld Hilfe Frage Antwort Problem Lösung Idee Meinung Entscheidung Verantwortung Zukunft Vergangenheit
Kaffee Tee Wasser Bier Wein Brot Käse Wurst Fleisch Fisch Gemüse Obst Äpfel Schokolade Stuhl Tisch Schrank Bett Sofa
Teppich Fenster Tür Schlüssel Keller Dach Wand Spülmaschine Kühlschrank Backofen Staubsauger Handtuch Bettwäsche""",
    ),
    "fr": (
        """Hier, j'ai acheté {n} et {m}.
Mon frère {p} habite maintenant à {l}.
Peux-tu appeler {p} au sujet de {n} ?
Madame {p}, nous vous remercions pour votre courrier.
Ma fille s'appelle {p} et va à l'école à {l}.
Ce week-end nous allons à {l} avec les enfants.
Le médecin m'a prescrit un traitement contre {n}.
L'utilisateur préfère {n} à {m}.
Ce soir je vois {p} et {p} au restaurant.
La facture pour {n} est plus élevée que l'année dernière.
Bonjour, comment ça va ? Avez-vous vu {n} ?
Merci beaucoup {p}, c'était très gentil de ta part !
La réunion aura lieu mardi, après {n}.
Cordialement,~{p}
Il pleut depuis lundi et nous restons à la maison avec {n}.
Mme {p}, demeurant à {l}, se plaint de {n}.
Où est {n} de {p} ?""",
        """la voiture|une lampe|le frigo|la cuisine|des pommes|du fromage|la douleur|les migraines|l'assurance
|le loyer|la facture|un livre|le jardin|le chien|la musique|la grippe
|le café|du pain|le contrat|les devoirs|la machine|les vacances""",
    ),
    "es": (
        """Ayer compré {n} y {m}.
Mi hermano {p} vive ahora en {l}.
¿Puedes llamar a {p} por {n}?
Estimada Sra. {p}: gracias por su carta.
Mi hija se llama {p} y estudia en {l}.
El fin de semana vamos a {l} con los niños.
El médico me recetó unas pastillas para {n}.
El usuario prefiere {n} a {m}.
Esta noche ceno con {p} y {p}.
La factura de {n} es más alta que el año pasado.
Hola, ¿qué tal? ¿Has visto {n}?
¡Muchas gracias, {p}, por todo!
La reunión es el martes, después de {n}.
Un saludo,~{p}
Llueve desde el lunes y nos quedamos en casa con {n}.
La paciente {p}, residente en {l}, refiere dolor de {n}.
Nadie sabe dónde está {n}. Creo que lo tiene {p}.""",
        """el coche|una lámpara|la nevera|la cocina|las manzanas|el queso|la cabeza|la espalda|el seguro|el alquiler
|la factura|un libro|el jardín|el perro|la música|la gripe|el café|el pan|el contrato|los deberes|la lavadora""",
    ),
    "it": (
        """Ieri ho comprato {n} e {m}.
Mio fratello {p} abita adesso a {l}.
Puoi chiamare {p} per {n}?
Gentile signora {p}, la ringraziamo per la sua lettera.
Mia figlia si chiama {p} e va a scuola a {l}.
Nel fine settimana andiamo a {l} con i bambini.
Il medico mi ha prescritto delle pastiglie per {n}.
L'utente preferisce {n} a {m}.
Stasera ceno con {p} e {p}.
Ciao, come stai? Hai visto {n}?
Grazie mille {p}, sei stata gentilissima!
Cordiali saluti,~{p}
Piove da lunedì e restiamo a casa con {n}.
Nessuno sa dove sia {n}. Forse è da {p}.""",
        """la macchina|una lampada|il frigorifero|la cucina|le mele|il formaggio|il mal di testa|l'assicurazione
|l'affitto|la bolletta|un libro|il giardino|il cane|la musica|l'influenza|il caffè|il pane
|il contratto|i compiti|la lavatrice""",
    ),
    "nl": (
        """Gisteren heb ik {n} en {m} gekocht.
Mijn broer {p} woont nu in {l}.
Kun je {p} bellen over {n}?
Geachte mevrouw {p}, hartelijk dank voor uw brief.
Mijn dochter heet {p} en zit in {l} op school.
In het weekend gaan we met de kinderen naar {l}.
De dokter heeft me pillen gegeven tegen {n}.
De gebruiker houdt meer van {n} dan van {m}.
Vanavond eet ik met {p} en {p}.
De rekening van {n} is weer hoger dan vorig jaar.
Hoi, hoe gaat het? Heb je {n} gezien?
Met vriendelijke groet,~{p}
Het regent al sinds maandag en we blijven thuis met {n}.""",
        """de auto|een lamp|de koelkast|de keuken|de appels|de kaas|de hoofdpijn|de verzekering|de huur|de rekening
|een boek|de tuin|de hond|de muziek|de griep|de koffie|het brood|het contract|het huiswerk|de wasmachine""",
    ),
    "pt": (
        """Ontem comprei {n} e {m}.
O meu irmão {p} mora agora em {l}.
Podes ligar ao {p} por causa de {n}?
A minha filha chama-se {p} e estuda em {l}.
No fim de semana vamos a {l} com as crianças.
O médico receitou-me comprimidos para {n}.
O usuário prefere {n} a {m}.
Hoje à noite janto com {p} e {p}.
Olá, tudo bem? Você viu {n}?
Muito obrigada, {p}!
Com os melhores cumprimentos,~{p}
Chove desde segunda-feira e ficamos em casa com {n}.""",
        """o carro|uma lâmpada|a geladeira|a cozinha|as maçãs|o queijo|a dor de cabeça|o seguro|o aluguel|a conta
|um livro|o jardim|o cachorro|a música|a gripe|o café|o pão|o contrato|a máquina de lavar""",
    ),
    "pl": (
        """Wczoraj kupiłem {n} i {m}.
Mój brat {p} mieszka teraz w mieście {l}.
Czy możesz zadzwonić do {p} w sprawie {n}?
Moja córka ma na imię {p} i chodzi do szkoły.
W weekend chcemy pojechać z dziećmi w góry.
Lekarz przepisał mi tabletki na {n}.
Rachunek za {n} jest znowu wyższy niż w zeszłym roku.
Dziękuję bardzo, {p}!
Z poważaniem,~{p}
Od poniedziałku pada deszcz i siedzimy w domu.""",
        """nową lodówkę|starą pralkę|prąd|jabłka|ser|ból głowy|książkę|ogród|psa|muzykę|grypę|kawę|chleb|umowę""",
    ),
    "sv": (
        """Igår köpte jag {n} och {m}.
Min bror {p} bor nu i {l}.
Kan du ringa {p} om {n}?
Min dotter heter {p} och går i skolan i {l}.
I helgen åker vi till {l} med barnen.
Läkaren skrev ut tabletter mot {n}.
Räkningen för {n} är högre än förra året.
Tack så mycket, {p}!
Med vänlig hälsning,~{p}""",
        """en bil|en lampa|kylskåpet|köket|äpplen|ost|huvudvärk|försäkringen|hyran|en bok|trädgården
|hunden|musiken|kaffet""",
    ),
}


# English: a name before a noun, in a list, between two verbs, beside a doer, in the middle of what is said.
ENGLISH: Final = (
    """I finally finished that {s} {n}, it took me weeks.
Another {p} {n}? We have three already.
The old {s} {n} is still the best one in my opinion.
Every {s} {n} sounds the same to me.
My aunt collects {p} {n}s.
A signed {s} {n} hangs in the hall.
She owns every {p} {n} ever made and is the biggest {p} admirer I know.
Nobody does it like {s}.
That {p} {n} was playing when we met.
Tickets for the {p} {n} are sold out.
He has always been a {p} person, I prefer {p}.
{s}, {s} and {s} wrote it together.
The three of them, {s}, {s} and {s}, met at school.
{f}, {f} and {f} are coming, {f} cannot.
Guests: {f}, {f}, {f}, {f} and {f}
Players: {s}, {s}, {s}, {s}
{f} lent {f} her {n} and {f} never gave it back.
{f} handed {f} the {n}.
{f} waved at {f} from the other side of the street.
{f} texted {f} twice and then {f} called.
{f} promised {f} a {n} for the birthday.
{f} works at the {n} shop and {f} drives a bus.
I told you to leave it alone {f}, it was never yours.
Come home {f}, dinner is ready.
"{f}," she said, "where is my {n}?"
They named the {n} after {f}.
I would like to talk about {f}.
According to {p}, the {n} was never finished.
"We are happy with the {n}", says {p}.
A {n} by {p}, produced by {p} and mixed by {p}.
Between {l} and {l} we listened to {p}.
{p} was born in {l}, grew up in {l} and died in {l}.
We stopped in {l} to see {f} and went on to {l}.
From {l} to {l} in a day, {f} drove all the way.
Our {l} office has a new {n}.
Greetings from {l}! Love, {f}""",
    """song|album|book|novel|film|painting|poem|biography|interview|speech|cover|remix|recipe|concert|show|exhibition|play
|guitar|bicycle|jacket|report|letter|story|joke|photograph|podcast|series|documentary|sketch|chapter|lecture|video""",
)


def foreign(count: int, names: Names, rng: random.Random) -> list[Sample]:
    """`count` samples in languages other than English; a good part of them German."""
    codes = sorted(LANGUAGES)
    picked = ["de" if rng.random() < 0.4 else rng.choice(codes) for _ in range(count)]
    return [_sample(LANGUAGES[code], f"own-{code}", names, rng) for code in picked]


def english(count: int, names: Names, rng: random.Random) -> list[Sample]:
    """`count` samples of the English sentences."""
    return [_sample(ENGLISH, "own-en", names, rng) for _ in range(count)]


def _sample(language: tuple[str, str], source: str, names: Names, rng: random.Random) -> Sample:
    """One to three sentences of a language, filled."""
    sentences, nouns = language
    choices = nouns.replace("\n", "").split("|") if "|" in nouns else nouns.split()
    text, spans = "", []
    for line in rng.sample(sentences.splitlines(), rng.choice((1, 1, 2, 2, 3))):
        text, more = _filled(f"{text} " if text else "", line.replace("~", "\n"), choices, names, rng)
        spans += more
    return Sample(text, tuple(spans), source)


def _filled(
    text: str, line: str, nouns: list[str], names: Names, rng: random.Random
) -> tuple[str, list[Span]]:
    spans: list[Span] = []
    at = 0
    for slot in _SLOT.finditer(line):
        text += line[at : slot.start()]
        at = slot.end()
        kind = slot.group(1)
        if kind in "nm":
            text += rng.choice(nouns)
            continue
        value = names.place("a", rng) if kind == "l" else _person(kind, names, rng)
        spans.append((len(text), len(text) + len(value), "LOCATION" if kind == "l" else "PERSON"))
        text += value
    return text + line[at:], spans


def _person(kind: str, names: Names, rng: random.Random) -> str:
    if kind == "f":
        return names.spoken(rng)
    if kind == "s":
        return names.surname(rng)
    return names.person("a b" if rng.random() < 0.5 else "a", rng)
