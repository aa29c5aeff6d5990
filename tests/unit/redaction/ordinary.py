"""Ordinary sentences with numbers in them that identify nobody: what a detector must leave alone."""

from __future__ import annotations

import random

WRITTEN = """
I ordered 3 pizzas for 12 people at 7:30 pm and paid $84.50.
My flight AA1234 leaves at 10:45 from gate B12.
The order number is 20394857 and it ships Monday.
We need 1500 units by Q3, version 2.4.1 of the app.
The patient takes 500 mg twice daily, BP 120/80, HR 72.
Invoice INV-2023-0042 for 1,250.00 EUR is still open.
Python 3.11.7 with numpy 1.26.4 on Ubuntu 22.04.
Python 3.12 removed distutils after 20 years.
20 minutes drive from here, 15 miles down the road.
Chapter 12, pages 211-227, has 3 figures.
Pi is about 3.14159265358979.
The recipe needs 250 g of flour, 2 eggs and 1/2 cup of milk.
Bake at 180 degrees for 25 minutes, then 10 more at 160.
The marathon is 42.195 km and I finished in 3:58:12.
Our build went from 14m32s to 6m05s after caching.
Ticket 48213 was closed and 17 remain open.
The meeting room holds 24 people and has 2 screens.
My plan is to read 52 books, one every 7 days.
The TV is 55 inches, 4K, and weighs 17.3 kg.
The stock rose 3.4% to 187.25 before the split 4:1.
The score was 3-2 after 90 minutes plus 4 of stoppage time.
Lakers won 112-108 in game 7.
Lap times were 1:32.456 and 1:31.998.
The bridge is 2737 m long and 227 m high.
Glucose was 5.4 mmol/L and HbA1c 6.1%.
Give 0.5 ml of 1:1000 adrenaline.
Potassium 4.2, sodium 139, creatinine 88.
ICD code E11.9 covers type 2 diabetes without complications.
The BRAF V600E mutation responds to this drug.
TP53 and EGFR L858R were tested in 48 samples.
SpO2 98% on room air, RR 16, temperature 36.8 C.
Strength 5/5 in all limbs, reflexes 2+.
Visual acuity was 20/20 in both eyes.
Metformin 1000 mg, lisinopril 10 mg, aspirin 81 mg.
The tumour measured 2.3 x 1.7 x 1.1 cm.
Apgar scores were 8 and 9 at 1 and 5 minutes.
He smoked 1 pack per day for 20 years, 20 pack-years.
The trial enrolled 1204 participants at 33 sites.
The hazard ratio was 0.72 (95% CI 0.58-0.89, p = 0.002).
Set the timeout to 30000 ms and retry 5 times.
The server listens on port 8443 and forwards to 8080.
HTTP 404 means not found and 503 means unavailable.
Error 0x80070057 appears when the disk is full.
Commit a1b2c3d fixed it in release 4.18.0.
The table has 1048576 rows and 16384 columns.
RFC 2822 and ISO 8601 describe the formats.
RTX 4090 has 24 GB of memory and 16384 cores.
Use AES-256-GCM with a 96-bit nonce.
The model has 7B parameters and a context of 32768 tokens.
Latency p99 was 412 ms, p50 38 ms.
It compresses 120 GB to 37 GB, a ratio of 3.24.
The A320 seats 180 and the 737-800 seats 189.
Take the M25, then the A3 to exit 10.
Bus 42 comes every 15 minutes, tram 9 every 8.
Train ICE 573 leaves from platform 14.
Seat 23A is by the window.
Room 1204 is on the 12th floor.
Table for 4 at 19:30, please.
Size 42 shoes and a 32/34 pair of jeans.
The bike has 21 gears and 28 inch wheels.
Add 10 litres of 5W-30 oil every 15000 km.
Tyres are 205/55 R16 91V.
We drove 1,250 miles in 3 days at 31 mpg.
The house has 4 bedrooms, 2.5 baths and 1850 sq ft.
Rent is 1450 a month plus 120 for parking.
The loan runs 30 years at 6.25% on 320,000.
He bid 2500 and the reserve was 3000.
Sales grew from 1.2 million to 1.9 million.
Revenue was 48.3bn with a margin of 23%.
Product code X-1042-B comes in 3 colours.
SKU 8847-221 is out of stock, 8847-222 is not.
The coupon SAVE20 takes 20% off orders over 50.
Part number 61-4402 fits the 350 and 450 models.
Order 3 of item 7712 and 5 of item 7713.
The parcel weighs 2.4 kg and measures 30x20x15.
ISBN 978-3-16-148410-0 is the one I quote.
My high score is 1284350 in level 99.
The castle was built over 300 years by 5 kings.
About 70,000 people came to the stadium.
The lake is 394 m deep and covers 82 km2.
Mount Everest is 8849 m, K2 is 8611 m.
Light travels 299792458 m in a second.
The Earth is 149.6 million km from the Sun.
There are 206 bones and about 600 muscles.
A byte has 8 bits, so 1024 bytes are 8192 bits.
The prime numbers below 20 are 2, 3, 5, 7, 11, 13, 17, 19.
Multiply 1234 by 5678 and you get 7006652.
The vote was 312 to 287 with 14 abstentions.
Article 34 and rule 12 apply here.
Section 230 of the act has 3 exceptions.
She plays number 10 and scored 14 goals.
He benches 100 kg and squats 140.
I slept 7 hours and walked 11,482 steps.
Burned 640 calories in 55 minutes of rowing.
My resting heart rate went from 68 to 59.
My dog is 12 kg and eats 300 g a day.
The cat had 5 kittens, 2 black and 3 grey.
Plant the bulbs 15 cm deep and 10 cm apart.
We have 48 eggs, 12 of them brown.
The song runs 4:33 at 128 bpm.
Season 3 episode 7 is the best one.
The film is 142 minutes long and rated 8.8/10.
Page 404 of the second volume.
Mix 3 parts sand with 1 part cement.
The drill needs a 6 mm bit and 8 x 40 screws.
A 60 W bulb at 230 V draws 0.26 A.
The panel gives 400 W, so 12 of them give 4.8 kW.
The well is 120 ft deep and pumps 15 gallons a minute.
It is 25 degrees outside and 60% humid.
Wind at 35 km/h, gusts up to 70.
There is a 40% chance of rain and 5 mm expected.
Add 2 tbsp of oil to 400 ml of stock.
The class has 28 pupils and 2 teachers.
He got 87 out of 100 and I got 91.
Exam 2 covers chapters 5 to 9.
Grade 4 starts at 8:15 and ends at 13:00.
I counted 1000000 reasons, give or take 3.
Set volume to 11 and bass to -3.
Level 5 costs 200 gems and 35 wood.
Roll 2d6+3 for damage, 1d20 to hit.
Chess opening: 1. e4 e5 2. Nf3 Nc6 3. Bb5.
Knit 4, purl 2, repeat 16 times.
The knitting pattern uses 5.5 mm needles and 600 yards.
The printer does 1200 dpi and 35 ppm.
It takes 2 AA batteries or a CR2032.
The ratio is 16:9, the resolution 2560x1440.
Channel 4 at 21:00, channel 7 at 22:30.
We are 3rd of 18 in the table with 44 points.
""".strip().splitlines()

FRAMES = (
    "We sold {n} units of model {l}-{m} in {k} weeks.",
    "The order {long} has {k} items and costs {d}.{c} EUR.",
    "Invoice {m}-{n} is due in {k} days.",
    "Ticket #{n} is a duplicate of #{m}.",
    "Take {k}0 mg every {k} hours for {k} days.",
    "Blood pressure was {bp}/{dia} with a pulse of {p}.",
    "The build took {p} seconds and {m} tests passed.",
    "Version {k}.{c}.{p} fixes {d} bugs.",
    "The file is {n} bytes, {m} lines long.",
    "It is {d} km to the coast and {p} km back.",
    "The price fell from {n} to {m}, about {d}%.",
    "Lot {l}{m} holds {d} boxes of {p} pieces.",
    "The team scored {d} points in {k} games, {p} in total.",
    "Flight {l}{l}{m} was {d} minutes late.",
    "The set has {m} pieces and {k} figures.",
    "She ran {k}.{c} km in {d} minutes.",
    "My parcel weighs {k}.{c} kg and has {d} stamps.",
    "Part {l}{n} is {d} mm wide and {p} mm long.",
    "The survey had {n} answers from {d} countries.",
    "Item {long} is back in stock at {d}.99.",
    "We have {n} followers, {d} more than before.",
    "Error code {n} came up {k} times out of {m}.",
    "Gene {l}{l}{l}{k} was found in {d} of {p} samples.",
    "Battery at {d}%, {k} hours and {c} minutes left.",
    "Product {l}{l}-{m}-{d} has a warranty of {k} years.",
    "Their offer was {n} for {m} square metres.",
    "The tank takes {d} litres and lasts {p} km.",
    "Query returned {n} rows in {m} ms.",
    "Temperature was {d}.{c} degrees at {k} metres.",
    "Level {d} needs {n} points, level {p} needs {long}.",
)


def framed(count: int, seed: int = 7) -> list[str]:
    """Ordinary sentences made of frames and random numbers."""
    rng = random.Random(seed)
    made = []
    for index in range(count):
        text = FRAMES[index % len(FRAMES)]
        while "{" in text:
            name = text[text.index("{") + 1 : text.index("}")]
            value = {
                "n": lambda: rng.randint(2100, 99999),
                "m": lambda: rng.randint(100, 1899),
                "k": lambda: rng.randint(2, 9),
                "c": lambda: rng.randint(10, 59),
                "d": lambda: rng.randint(11, 89),
                "p": lambda: rng.randint(51, 199),
                "bp": lambda: rng.randint(95, 160),
                "dia": lambda: rng.randint(55, 95),
                "l": lambda: rng.choice("ABCDEFGHKLMNPRSTVWXZ"),
                "long": lambda: rng.randint(10_000_000, 99_999_999),
            }[name]()
            text = text.replace("{" + name + "}", str(value), 1)
        made.append(text)
    return made


TEXTS = [*WRITTEN, *framed(210)]
