from hypothesis import given
from hypothesis import strategies as st
from penstock.core.spelling import MOST, folded, folded_name, variants


def test_case_spaces_punctuation_and_leading_zeros_do_not_make_another_thing():
    assert len({folded(k) for k in ("LAW.P.A001", "law.p.a001", "LAW P A1", "LAW-P-A001 ", "lawpa1")}) == 1


def test_numbers_that_punctuation_keeps_apart_stay_two_things():
    assert folded("A1.01") != folded("A10.1")
    assert folded("A1.1") != folded("A11")
    assert folded("A100") != folded("A10")
    assert folded("A0") == folded("A000") != folded("A")


def test_a_prefix_is_tried_with_and_without():
    assert "P.A001" in variants("LAW.P.A001", ["LAW.", "MOH."])
    assert {"LAW.P.A001", "MOH.P.A001"} <= set(variants("p.a001", ["LAW.", "MOH."]))


def test_a_name_is_folded_without_case_accents_and_punctuation_and_keeps_its_vowel_signs():
    assert folded_name("  Île-de-France ") == folded_name("ile de FRANCE") == "ile de france"
    assert folded_name("कर्णाली प्रदेश") != folded_name("करणाली प्रदेश")
    assert folded_name("Ward 1") != folded_name("Ward 2")
    assert folded_name("…") == ""


@given(st.text(max_size=12), st.lists(st.sampled_from(["LAW.", "MOH.", "X-", "Y", "Z/"]), max_size=4))
def test_variants_are_few_distinct_and_never_the_key_itself(key, prefixes):
    found = variants(key, prefixes)
    assert len(found) == len(set(found)) <= MOST
    assert key not in found
    assert all(v and "/" not in v for v in found)
