"""The columns of a property record. Thirteen are mapped; the rest must never leave the source, so every value made for one of
them carries the word `canary`: where that word turns up behind the allow-list, something leaked."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

CANARY = "canary"

MAPPED = (
    "Property ID",
    "Pole Number",
    "Drop Number",
    "Latitude",
    "Longitude",
    "Location Address",
    "PONs",
    "Sections",
    "Site",
    "Status",
    "Flow Name Groups",
    "lst_mod_dt",
    "date_status_changed",
)

_PEOPLE = ("Owner", "Contact Person", "Sales Agent", "Field Agent", "Installer", "Quality Assessor")
_PARTICULARS = ("Name", "Surname", "ID Number", "Contact Number", "Alternate Number", "Email Address", "Signature")
_QUESTIONS = (
    "Adults in the home", "Children in the home", "Present provider", "Monthly spend", "Devices in use", "Works from home",
    "Streams video", "Plays games", "Heard of us by", "Best time to call", "Language", "Owns or rents", "Reason for declining",
    "Preferred package", "Preferred debit day", "Satisfaction",
)  # fmt: skip
_PHOTOS = ("House front", "Pole", "Wall outside", "Wall inside", "Power point", "Cable route", "Fibre dome", "Consent form")
_CONSENTS = ("Pole Permission", "Home Sign Up", "Home Installation", "Marketing", "Data Processing", "Photographs")
_TECHNICAL = (
    "Cable Length", "Connector", "ONT Barcode", "UPS Serial Number", "Splice Loss", "Splitter", "Power at ONT", "Power at Dome",
    "Conduit", "Drop Type", "Pole Height", "Dome Joint", "Router Serial Number", "Speed Test", "Backfill",
)  # fmt: skip
_AUDIT = ("lst_mod_by", "cmp_by", "created_by", "created_dt", "device", "app_version", "sync_id", "survey_id", "batch_note")

UNMAPPED = (
    *(f"{person} {particular}" for person in _PEOPLE for particular in _PARTICULARS),  # 42
    *(f"Survey: {question}" for question in _QUESTIONS),  # 16
    *(f"Photo of {photo}" for photo in _PHOTOS),  # 8
    *(f"{consent} {what}" for consent in _CONSENTS for what in ("Given", "Date", "Signed By", "Signed At")),  # 24
    *(f"Technical: {what}" for what in _TECHNICAL),  # 15
    *(f"Sales {n} {what}" for n in (1, 2, 3, 4) for what in ("Date", "Agent", "Outcome", "Remark", "Campaign")),  # 20
    *(f"Marketing {what}" for what in ("Campaign", "Channel", "Leaflet", "Event", "Referral", "Voucher")),  # 6
    "Estate", "Stand Number", "Unit", "Access Notes", "Gate Code", "Dogs",  # 6
    *_AUDIT,  # 9
)  # fmt: skip

# Which unmapped columns a record fills depends on how far it got; most stay blank in most records.
_ALWAYS = ("Owner Name", "Owner Surname", "Contact Person Contact Number", "Field Agent Name", "lst_mod_by", "device")
_NAMES = ("Naledi", "Thabo", "Lerato", "Sipho", "Zanele", "Kabelo", "Ayanda", "Bongani")


def unmapped(random: Random, property_id: str) -> Mapping[str, str]:
    """A made-up value for a handful of the unmapped columns, "" for the others. All of them are always there."""
    row = dict.fromkeys(UNMAPPED, "")
    for column in (*_ALWAYS, *random.sample(UNMAPPED, 6)):
        row[column] = f"{random.choice(_NAMES)} {CANARY}-{property_id}"
    return row
