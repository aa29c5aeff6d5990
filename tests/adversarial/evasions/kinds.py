"""Kinds of values that a detector for e-mail and cards alone would let through."""

from __future__ import annotations

from evasions import Probe

A36 = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3hJ6"

PROBES: dict[str, list[Probe]] = {
    "secrets": [
        "key ⟦AKIAIOSFODNN7EXAMPLE⟧",
        "aws_secret_access_key = ⟦wJalrXUtnFEMIK7MDENGbPxRfiCYzQx9mPLEk3Y1⟧",
        f"token ⟦ghp_{A36}⟧",
        "slack ⟦xoxb-123456789012-abcdefABCDEF⟧",
        f"openai ⟦sk-proj-{A36}⟧",
        "jwt ⟦eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P⟧",
        "⟦-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----⟧",
        "password: ⟦correct-horse-42⟧",
        "my password is ⟦Tr0ub4dor&3⟧",
        "postgres://ana:⟦s3cr3tpw⟧@db.local/x",
        "Authorization: Bearer ⟦aB3dE6gH9jK2mN5pQ8sT1vW4⟧",
        "passphrase = ⟦battery-staple-9⟧",
        f"api_key: ⟦{A36}⟧",
        f"stripe ⟦sk_live_{A36[:24]}⟧",
        f"google ⟦AIza{A36[:35]}⟧",
    ],
    "card data": [
        "cvv ⟦737⟧",
        "security code: ⟦737⟧",
        "track ⟦%B4111111111111111^DOE/JOHN^2512101000000000?⟧",
        "⟦;4111111111111111=25121010000000000000?⟧",
        "card pin ⟦4719⟧",
        "⟦4111111111111111⟧ exp ⟦12/27⟧ cvv ⟦737⟧",
        "card ending in ⟦4242⟧",
        "expires ⟦09/2027⟧ on the card",
    ],
    "vehicles and devices": [
        "VIN ⟦1HGCM82633A004352⟧",
        "imei ⟦490154203237518⟧",
        "mac ⟦00:1A:2B:3C:4D:5E⟧",
        "license plate ⟦7ABC123⟧",
        "GPS ⟦40.748817, -73.985428⟧",
        "ipv6 ⟦2001:db8:85a3::8a2e:370:7334⟧",
        "uuid ⟦550e8400-e29b-41d4-a716-446655440000⟧",
        "device serial number ⟦C02XK0AAJGH5⟧",
        "location ⟦48.8584 N, 2.2945 E⟧",
        "plate ⟦AB12 CDE⟧ (UK)",
    ],
    "state identifiers": [
        "NI number ⟦AB123456C⟧",
        "nino ⟦AB 12 34 56 C⟧",
        "Aadhaar ⟦2341 2341 2346⟧",
        "passport no. ⟦533380006⟧",
        "postcode ⟦SW1A 1AA⟧",
        "MRN: ⟦4839201⟧",
        "medical record ⟦483-92-01⟧",
        "NHS ⟦943 476 5919⟧",
        "driver's license ⟦D1234567⟧",
        "CPF ⟦529.982.247-25⟧",
        "DNI ⟦12345678Z⟧",
        "codice fiscale ⟦RSSMRA85T10A562S⟧",
        "BSN ⟦111222333⟧",
        "PAN ⟦ABCPE1234F⟧",
        "Steuer-ID ⟦86095742719⟧",
    ],
    "addresses": [
        "I live at ⟦1600 Pennsylvania Avenue NW⟧",
        "ship to ⟦742 Evergreen Terrace, Springfield, IL 62704⟧",
        "zip ⟦90210⟧",
        "⟦P.O. Box 1234⟧",
        "mail at ⟦ana@hospital.local⟧",
        "host ⟦http://intranet/ana⟧",
    ],
    "special categories": [
        "I am ⟦gay⟧ and single",
        "she is ⟦Muslim⟧",
        "I am a member of the ⟦trade union⟧",
        "I was diagnosed with ⟦HIV⟧ last year",
    ],
}
