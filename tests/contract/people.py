# ruff: noqa: RUF001 - the tests of case folding contain letters that look alike
"""The resources that filters are tested on: ordinary ones, and values with special characters of query languages."""

from typing import Any, Final

ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

type Body = tuple[str, dict[str, Any]]
"""Resource types and bodies of POST requests. `meta` sets the dates instead of the service's clock."""


def _user(user_name: str, /, **attributes: Any) -> Body:
    return "User", {"userName": user_name, **attributes}


def _group(display_name: str, /, **attributes: Any) -> Body:
    return "Group", {"displayName": display_name, **attributes}


PEOPLE: Final[tuple[Body, ...]] = (
    _user(
        "bjensen@example.com",
        externalId="701984",
        displayName="Babs Jensen",
        title="Tour Guide",
        nickName="Babs",
        userType="Employee",
        preferredLanguage="en-US",
        locale="en-US",
        timezone="America/Los_Angeles",
        profileUrl="https://login.example.com/bjensen",
        name={
            "formatted": "Ms. Barbara J Jensen, III",
            "familyName": "Jensen",
            "givenName": "Barbara",
            "middleName": "Jane",
            "honorificPrefix": "Ms.",
            "honorificSuffix": "III",
        },
        emails=[
            {"value": "bjensen@example.com", "type": "work", "primary": True},
            {"value": "babs@jensen.org", "type": "home"},
        ],
        phoneNumbers=[{"value": "555-555-5555", "type": "work"}, {"value": "555-555-4444", "type": "mobile"}],
        addresses=[
            {
                "type": "work",
                "streetAddress": "100 Universal City Plaza",
                "locality": "Hollywood",
                "region": "CA",
                "postalCode": "91608",
                "country": "USA",
                "primary": True,
            },
            {
                "type": "home",
                "streetAddress": "456 Hollywood Blvd",
                "locality": "Hollywood",
                "region": "CA",
                "postalCode": "91608",
                "country": "USA",
            },
        ],
        ims=[{"value": "someaimhandle", "type": "aim"}],
        photos=[{"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo"}],
        roles=[{"value": "admin", "display": "Administrator", "primary": True}],
        entitlements=[{"value": "parking"}],
        x509Certificates=[{"value": "MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEFBQA="}],
        meta={"created": "2010-01-23T04:56:22Z", "lastModified": "2011-05-13T04:42:34Z"},
        **{
            ENTERPRISE: {
                "employeeNumber": "701984",
                "costCenter": "4130",
                "organization": "Universal Studios",
                "division": "Theme Park",
                "department": "Tour Operations",
                "manager": {"value": "26118915-6090-4610-87e4-49d8ca9f808d"},
            }
        },
    ),
    _user(
        "jsmith",
        displayName="John Smith",
        title="Engineer",
        active=False,
        name={"familyName": "Smith", "givenName": "John"},
        emails=[
            {"value": "jsmith@example.com", "type": "home", "primary": True},
            {"value": "John.Smith@Example.ORG", "type": "work"},
        ],
        meta={"created": "2024-12-31T23:59:59.9999999Z", "lastModified": "2025-01-01T00:00:00Z"},
        **{ENTERPRISE: {"department": "Sales"}},
    ),
    _user(
        "JDOE",
        externalId="ABC",
        displayName="jane doe",
        title="tour guide",
        name={"familyName": "Doe"},
        meta={"created": "2025-01-01T01:00:00+02:00", "lastModified": "2025-06-01T12:00:00Z"},
    ),
    _user(
        "jdoe2",
        externalId="abc",
        displayName="Jane Doe II",
        title="Tour",
        emails=[{"value": "jd@x.example", "type": "work", "primary": False}],
        roles=[{"value": "admin"}, {"value": "reader", "primary": True}],
    ),
    _user("nothing-else"),
    _user("o'brien", displayName='She said "hi"', title="It's 100%", nickName="a_b"),
    _user("percent", displayName="100%", title="100 percent", nickName="aXb"),
    _user("under_score", displayName="under_score", title="a%b_c\\d", nickName="a\\b"),
    _user("underxscore", displayName="underXscore", title="axb"),
    _user("straße", displayName="STRASSE", title="Weiß", name={"familyName": "Große", "givenName": "İpek"}),
    _user("élodie", displayName="Élodie", title="école", name={"familyName": "Ålesund"}),
    _user("elodie", displayName="Elodie", title="ecole", name={"familyName": "\u212bngström"}),
    _user("ﬁnance", displayName="Ｆｕｌｌ　Ｗｉｄｔｈ", title="Ⅳ", nickName="ǆ"),
    _user("katakana", displayName="Sales²", title="\u1112\u1161\u11ab\u1100\u1173\u11af", nickName="ｶﾞｰﾄﾞ"),
    _user("hangul", displayName="Sales2", title="한국", nickName="가드"),
    _user("σίσυφος", displayName="ΣΊΣΥΦΟΣ", title="Ω", nickName="ὈΔΥΣΣΕΎΣ"),
    _user("emoji🎉", displayName="🎉 party 🎉", title="👩‍👩‍👧", nickName="🎉"),
    _user(
        "control\u0001mark", displayName="\u0001first", title="a\u0001b", nickName="tab\there", externalId="line\nbreak"
    ),
    _user("tilde\u007f", displayName="\u2028separator", title="a", nickName="\ufeffmark"),
    _user("title-b", title="b", nickName="B"),
    _user("title-a-again", title="A", nickName="b"),
    _user("title-space", title=" a", nickName="a "),
    _user("long", title="x" * 1024, displayName="y" * 1025, nickName="z" * 5000),
    _user("longer", title="x" * 1023 + "y", displayName="é" * 513, nickName="z" * 256 + "b"),
    _user("longest", title="x" * 1023, displayName="é" * 512, nickName="z" * 256 + "a"),
    _user(
        "no-emails-but-phones",
        phoneNumbers=[{"value": "+1 (555) 010-9999", "type": "work", "primary": True}],
        active=False,
    ),
    _user(
        "two-works",
        emails=[
            {"value": "one@example.com", "type": "work"},
            {"value": "two@example.com", "type": "work", "primary": True, "display": "Two"},
        ],
        **{ENTERPRISE: {"manager": {"value": "jsmith"}}},
    ),
    _user(
        "split-terms",
        emails=[{"value": "bjensen@example.com", "type": "home"}, {"value": "other@example.com", "type": "work"}],
        **{ENTERPRISE: {"costCenter": "4130"}},
    ),
    _user("email-without-type", emails=[{"value": "bare@example.com"}, {"type": "other"}]),
    _user("NULL", displayName="null", title="true", externalId="NULL", nickName="0"),
    _user("digits", displayName="42", title="5", externalId="00042", nickName="4.20"),
    _user("injection'; DROP TABLE item; --", displayName="' OR '1'='1", title="$.title", nickName='"]'),
    _user("brackets[1]", displayName="[work]", title="{}", nickName="[]"),
    _user("true-ish", displayName="True", title="1", active=True),
    _group("Tour Guides", externalId="guides"),
    _group("tour managers"),
    _group("Employees", meta={"created": "2010-01-23T04:56:22Z", "lastModified": "2011-05-13T04:42:34Z"}),
    _group("100%_of 'us'"),
    _group("Ｇｒｕｐｐｅ ß"),
)
