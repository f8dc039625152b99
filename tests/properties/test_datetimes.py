"""Dates: one form for each moment, and the order of the texts is the order of the moments."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import assume, event, example, given, settings, strategies as st

from scim.protocol import datetimes

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES)  # noqa: DTZ001 - bounds without a zone
TEXTS = st.one_of(
    st.text(),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2})?"),
)


def moment(text: str) -> datetime:
    """What a normal form says, to the microsecond."""
    return datetime.fromisoformat(f"{text[:26]}+00:00")


@settings(max_examples=150)
@given(MOMENTS)
def test_a_moment_has_one_form_whatever_its_zone(at: datetime) -> None:
    form = datetimes.normal(at.isoformat())
    assert form is not None
    assert moment(form) == at
    assert datetimes.normal(at.astimezone(UTC).isoformat()) == form
    assert datetimes.normal(datetimes.written(at)) == form


@settings(max_examples=150)
@given(MOMENTS, st.one_of(MOMENTS, st.none()), st.timedeltas(timedelta(days=-1), timedelta(days=1)))
def test_texts_are_ordered_as_the_moments_are(one: datetime, other: datetime | None, apart: timedelta) -> None:
    other = one + apart if other is None else other
    first, second = datetimes.normal(one.isoformat()), datetimes.normal(other.isoformat())
    assert first is not None
    assert second is not None
    assert (first < second, first == second) == (one < other, one == other)


@settings(max_examples=150)
@given(TEXTS)
@example("2026-02-30T00:00:00Z")
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-14:00")
@example("2026-01-01T00:00:60Z")
@example("2026-01-01T24:00:00Z")
@example("٢٠٢٦-01-01T00:00:00Z")
@example("2026-01-01T00:00:00Z\n")
@example("2026-W01-1T00:00:00Z")
def test_any_text_has_a_normal_form_or_none(text: str) -> None:
    form = datetimes.normal(text)
    if form is None:
        event("none")
        return
    assert datetimes.normal(form) == form
    assert len(form) == len("2026-01-31T09:30:00.0000000Z")
    assert form.isascii()
    moment(form)


@given(MOMENTS, st.integers(0, 9_999_999), st.integers(0, 9_999_999))
def test_seven_digits_of_a_second_count(at: datetime, one: int, other: int) -> None:
    assume(one != other)
    second = at.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    first, last = sorted((one, other))
    low, high = datetimes.normal(f"{second}.{first:07}Z"), datetimes.normal(f"{second}.{last:07}Z")
    assert low is not None
    assert high is not None
    assert low < high
